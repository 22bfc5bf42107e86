"""Makes ../depthwise.json: 20 losses of a small net of depthwise-separable blocks (3 x 3 and 5 x 5, strides 1 and 2), and
the norms of its depthwise weights' gradients in the first step, in float32 with one thread.

Seed 1 draws the net, then 16 pictures of rand(16, 3, 32, 32); label i mod 10. The net is that of test/nn/separable.ts.
"""

import torch
from torch import nn

from common import nine, write_json


def normed(i, o, kernel, stride=1, groups=1):
    conv = nn.Conv2d(i, o, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(o), nn.ReLU()]


BLOCKS = [(8, 12, 3, 1), (12, 16, 5, 2), (16, 16, 3, 2), (16, 24, 5, 1)]

torch.set_num_threads(1)
torch.manual_seed(1)
layers = normed(3, 8, 3, 2)
for i, o, kernel, stride in BLOCKS:
    layers += normed(i, i, kernel, stride, i) + normed(i, o, 1)
net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))
x, y = torch.rand(16, 3, 32, 32), torch.arange(16) % 10
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
losses, norms = [], []
for step in range(20):
    loss = nn.functional.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    if step == 0:
        deep = [layer for layer in net if isinstance(layer, nn.Conv2d) and layer.groups > 1]
        norms = [nine(layer.weight.grad.double().norm().item()) for layer in deep]
    optimizer.step()
    losses.append(nine(loss.item()))
print(losses)
write_json("depthwise.json", {"torch": torch.__version__.split("+")[0], "losses": losses, "norms": norms})
