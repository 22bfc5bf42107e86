"""Makes ../norm_nets.json: small nets with norms, trained for 20 steps of Adam: losses, gradients of the first step, and
running statistics.

"pictures": GroupNorm, InstanceNorm2d with and without factors, LayerNorm over pictures and over a last dimension, a BatchNorm2d
whose running statistics are the mean of all batches. "forty": `fortyNorms` of test/nn/normNets.test.ts. "resnet20": the net of
test/nn/deepNets.ts. Seed 1 draws the net, then the pictures; label i mod 10. Gradients: of each parameter Σ g · sin(1), sin(2), …
and its norm. In float32 with one thread; "spread" is how far float64 is from it in the losses, of the same initial weights.
"""

import torch
import torch.nn.functional as F
from torch import nn

from common import nine, write_json
from deep import resnet20
from norms import net as forty


class LastNorm(nn.Module):
    """Over channels, pixel by pixel."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def conv(i, o, kernel, padding=0):
    """Without a bias, whose gradient a norm would make zero but for rounding, which Adam would follow."""
    return nn.Conv2d(i, o, kernel, padding=padding, bias=False)


def pictures():
    return nn.Sequential(
        conv(3, 8, 3, 1), nn.GroupNorm(2, 8), nn.SiLU(),
        conv(8, 8, 3, 1), nn.InstanceNorm2d(8), nn.SiLU(),
        conv(8, 6, 3), nn.InstanceNorm2d(6, affine=True, eps=1e-3), nn.SiLU(),
        conv(6, 8, 3), nn.LayerNorm([8, 4, 4]), nn.SiLU(),
        conv(8, 9, 1), LastNorm(9), nn.SiLU(),
        conv(9, 8, 2), nn.BatchNorm2d(8, momentum=None), nn.SiLU(),
        conv(8, 8, 1), nn.GroupNorm(8, 8, affine=False), nn.Flatten(), nn.LayerNorm(72, elementwise_affine=False), nn.Linear(72, 10),
    )


#  net, pictures, rate
NETS = {"pictures": (pictures, 12, 0.003), "forty": (forty, 16, 0.001), "resnet20": (resnet20, 16, 0.001)}


def run(name, dtype):
    make, count, rate = NETS[name]
    torch.manual_seed(1)
    made = make()
    x, y = torch.rand(count, 3, 8, 8).to(dtype), torch.arange(count) % 10
    made = made.to(dtype)
    optimizer = torch.optim.Adam(made.parameters(), lr=rate)
    losses, gradients = [], []
    for step in range(20):
        loss = F.cross_entropy(made(x), y)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            for p in made.parameters():
                g = p.grad.double().flatten()
                gradients.append([(g * torch.sin(torch.arange(1, len(g) + 1).double())).sum().item(), g.norm().item()])
        optimizer.step()
        losses.append(loss.item())
    norms = [m for m in made.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    return losses, gradients, [[m.running_mean.tolist(), m.running_var.tolist()] for m in norms]


def entry(name):
    (losses, gradients, norms), (wide, wide_gradients, _) = run(name, torch.float32), run(name, torch.float64)
    spread = max(abs(a / b - 1) for a, b in zip(losses, wide))
    apart = max(abs(a[0] - b[0]) / b[1] for a, b in zip(gradients, wide_gradients) if b[1] > 0)
    print(name, len(gradients), "parameters", losses[0], losses[-1], f"spread {spread:.1e}, gradients {apart:.1e}")
    return {
        "losses": [nine(loss) for loss in losses],
        "spread": float(f"{spread:.1e}"),
        "gradients": [[nine(v) for v in pair] for pair in gradients],
        "running": [[[nine(v) for v in values] for values in pair] for pair in norms],
    }


torch.set_num_threads(1)
write_json("norm_nets.json", {"torch": torch.__version__.split("+")[0], "nets": {name: entry(name) for name in NETS}})
