"""Makes ../nets.json: the losses of six steps of a small net of depthwise convolutions, in float32 with one thread.

Seed 1 draws the net, then 32 pictures of rand(32, 3, 16, 16); label i mod 10. The net and its options are those of
test/nn/smallNet.test.ts.
"""

import torch
from torch import nn

from common import nine, write_json


class Block(nn.Module):
    def __init__(self, channels, stride=1):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.Hardswish()
        self.pointwise = nn.Conv2d(channels, channels, 1)
        self.stride = stride

    def forward(self, x):
        y = self.pointwise(self.act(self.norm(self.depthwise(x))))
        return y + x if self.stride == 1 else y


torch.set_num_threads(1)
torch.manual_seed(1)
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding="same"), nn.SiLU(), Block(8), Block(8, 2), nn.Conv2d(8, 8, 3, dilation=2, padding=2),
    nn.GroupNorm(2, 8), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 10),
)
x, y = torch.rand(32, 3, 16, 16), torch.arange(32) % 10
criterion = nn.CrossEntropyLoss(weight=torch.arange(1, 11) / 5, label_smoothing=0.1)
optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3, momentum=0.9, centered=True)
losses = []
for _ in range(6):
    loss = criterion(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(nine(loss.item()))
write_json("nets.json", {"torch": torch.__version__.split("+")[0], "losses": losses})
