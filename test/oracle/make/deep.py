"""Makes ../deep.json: the losses of five steps of deep nets with tiny channels, and of an evaluation after them; and the
loss and the norms of the convolutions' gradients of 40 layers, whose later steps rounding alone carries apart.

Seed 1 draws the net, then six pictures of rand(6, 3, 8, 8); label i. The nets are those of test/nn/deepNets.ts. In float32
with one thread; "spread" is how far float64 is from it, of the same initial weights.
"""

import torch
import torch.nn.functional as F
from torch import nn

from common import nine, write_json


def layers(count, make):
    return [layer for i in range(count) for layer in make(4 if i else 3)] + [nn.Flatten(), nn.Linear(256, 10)]


def batch_norm(c):
    return nn.Conv2d(c, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()


def group_norm(c):
    return nn.Conv2d(c, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU()


def separable(c):
    depthwise = nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False), nn.BatchNorm2d(c), nn.SiLU()
    return *depthwise, nn.Conv2d(c, 4, 1), nn.BatchNorm2d(4), nn.SiLU()


def normed(i, o, kernel=3, stride=1, act=True):
    conv = nn.Conv2d(i, o, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o), *([nn.ReLU()] if act else []))


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.first = normed(i, o, stride=stride)
        self.second = normed(o, o, act=False)
        self.down = normed(i, o, 1, stride, False) if stride != 1 else None

    def forward(self, x):
        return F.relu(self.second(self.first(x)) + (self.down(x) if self.down else x))


def resnet20():
    blocks = [Block(4 << max(0, s - (j == 0)), 4 << s, 2 if s and j == 0 else 1) for s in range(3) for j in range(3)]
    return nn.Sequential(normed(3, 4), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


NETS = {
    "12 batch norms": (lambda: nn.Sequential(*layers(12, batch_norm)), lambda p: torch.optim.SGD(p, lr=0.001)),
    "14 group norms": (lambda: nn.Sequential(*layers(14, group_norm)), lambda p: torch.optim.Adam(p, lr=0.001)),
    "10 separable": (lambda: nn.Sequential(*layers(10, separable)), lambda p: torch.optim.SGD(p, lr=0.001, momentum=0.9)),
    "resnet20": (resnet20, lambda p: torch.optim.Adam(p, lr=0.001)),
}


def drawn(make, dtype):
    torch.manual_seed(1)
    net = make()
    x, y = torch.rand(6, 3, 8, 8).to(dtype), torch.arange(6)
    return net.to(dtype), x, y


def run(name, dtype):
    make, optimizer = NETS[name]
    net, x, y = drawn(make, dtype)
    optimizer = optimizer(net.parameters())
    losses = []
    for _ in range(5):
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    losses.append(F.cross_entropy(net(x), y).item())
    return losses


def gradients(dtype):
    net, x, y = drawn(lambda: nn.Sequential(*layers(40, batch_norm)), dtype)
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    return [loss.item()] + [layer.weight.grad.double().norm().item() for layer in net if isinstance(layer, nn.Conv2d)]


def entry(name, of):
    found, wide = of(torch.float32), of(torch.float64)
    spread = max(abs(a / b - 1) for a, b in zip(found, wide))
    print(name, found[0], found[-1], f"{spread:.1e}")
    return {"numbers": [nine(number) for number in found], "spread": float(f"{spread:.1e}")}


if __name__ == "__main__":
    torch.set_num_threads(1)
    entries = {name: entry(name, lambda dtype, name=name: run(name, dtype)) for name in NETS}
    entries["40 batch norms"] = entry("40 batch norms", gradients)
    write_json("deep.json", {"torch": torch.__version__.split("+")[0], "nets": entries})
