"""
A net as data, written as a .pth, loads strictly into the module it was, with its optimizer: run after `npm run build` by
`npm run test:python`, or alone: python test/formats/python/check_net.py
"""

import json
import subprocess
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

script = Path(__file__).resolve().parents[3] / "dist/test/formats/python/writeNetFiles.js"


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(n)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)) + x)


class Resnet(nn.Module):
    """As in test/formats/fixtures/make_onnx.py."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(), Block(4), Block(4))
        self.fc = nn.Linear(4, 4, bias=False)

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.features(x), 1)
        return F.log_softmax(self.fc(torch.flatten(x, 1)), dim=1)


with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["node", str(script), folder], check=True)
    case = json.loads(Path(folder, "net.json").read_text())
    state = torch.load(f"{folder}/state.pth", weights_only=True)
    checkpoint = torch.load(f"{folder}/net.pth", weights_only=True)
net = Resnet()
assert list(net.state_dict()) == list(state) == list(checkpoint["model"])
net.load_state_dict(state)
net.load_state_dict(checkpoint["model"])
logits = net.eval()(torch.tensor(case["pictures"]).reshape(-1, 3, 8, 8))
difference = (logits - torch.tensor(case["logits"])).abs().max().item()
assert difference < 1e-5, difference
optimizer = torch.optim.Adam(net.parameters())
keys = set(optimizer.state_dict()["param_groups"][0])
optimizer.load_state_dict(checkpoint["optimizer"])
assert keys == set(optimizer.state_dict()["param_groups"][0])
before = [p.detach().clone() for p in net.parameters()]
for parameter in net.parameters():
    parameter.grad = torch.zeros_like(parameter)
optimizer.step()
# six steps done: mean 0.45, square 0.24975, both corrected
step = 0.01 * 0.45 / (1 - 0.9**6) / ((0.25 * 0.999 / (1 - 0.999**6)) ** 0.5 + 1e-7)
for old, new in zip(before, net.parameters(), strict=True):
    assert torch.allclose(old - new, torch.full_like(old, step), rtol=1e-4, atol=1e-6)
print(f"PyTorch {torch.__version__} loads nets that we write, with their optimizers; worst difference {difference:.1e}")
