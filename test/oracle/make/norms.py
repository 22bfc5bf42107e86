"""Makes ../norms.json: a residual net with 40 BatchNorms (39 of pictures, one of features): the losses of 20 steps, the
running statistics after them, and the loss of an evaluation.

Seed 1 draws the net, then sixteen pictures of rand(16, 3, 8, 8); label i mod 10. The net is `fortyNorms` of
test/nn/deepNets.ts. In float32 with one thread; "spread" is how far float64 is from it in the losses, of the same
initial weights.
"""

import torch
import torch.nn.functional as F
from torch import nn

from common import nine, write_json


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)

    def forward(self, x):
        return F.silu(self.norm2(self.conv2(F.silu(self.norm1(self.conv1(x))))) + x)


def net():
    stem = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.SiLU()
    blocks = [Block() for _ in range(19)]
    end = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(8, momentum=0.3, eps=1e-3), nn.Linear(8, 10)
    return nn.Sequential(*stem, *blocks, *end)


def run(dtype):
    torch.manual_seed(1)
    made = net()
    x, y = torch.rand(16, 3, 8, 8).to(dtype), torch.arange(16) % 10
    made = made.to(dtype)
    optimizer = torch.optim.SGD(made.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(made(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    made.eval()
    losses.append(F.cross_entropy(made(x), y).item())
    norms = [m for m in made.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    return losses, [[m.running_mean.tolist(), m.running_var.tolist()] for m in norms]


if __name__ == "__main__":
    torch.set_num_threads(1)
    (losses, norms), (wide, _) = run(torch.float32), run(torch.float64)
    spread = max(abs(a / b - 1) for a, b in zip(losses, wide))
    print(len(norms), losses[0], losses[-2], losses[-1], f"{spread:.1e}")
    write_json(
        "norms.json",
        {
            "torch": torch.__version__.split("+")[0],
            "losses": [nine(loss) for loss in losses],
            "spread": float(f"{spread:.1e}"),
            "running": [[[nine(v) for v in values] for values in pair] for pair in norms],
        },
    )
