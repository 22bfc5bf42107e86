"""
Training goes on in PyTorch from our `{model, optimizer}` checkpoints, and with us from PyTorch's: run after
`npm run build` by `npm run test:python`, or alone: python test/formats/python/check_optimizer.py
"""

import json
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import nn

script = Path(__file__).resolve().parents[3] / "dist/test/formats/python/trainOnward.js"


def wave(rows, columns, step):
    return torch.sin(step * (torch.arange(rows * columns, dtype=torch.float64) + 1)).reshape(rows, columns).float()


x, y = wave(8, 5, 0.7), wave(8, 3, 0.3)
optimizers = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
}


def start(make):
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(5, 6), nn.Sigmoid(), nn.Linear(6, 3))
    return net, make(net.parameters())


def three_steps(net, optimizer):
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def close(what, got, want):
    difference = max(abs(a - b) for a, b in zip(got, want, strict=True))
    assert difference < 1e-6, (what, got, want)
    return difference


worst = 0.0
with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["node", str(script), "write", folder], check=True)
    ours = json.loads(Path(folder, "ours.json").read_text())
    wanted = {}
    for name, make in optimizers.items():
        net, optimizer = start(make)
        checkpoint = torch.load(f"{folder}/ours_{name}.pth", weights_only=True)
        net.load_state_dict(checkpoint["model"])
        keys = set(optimizer.state_dict()["param_groups"][0])
        optimizer.load_state_dict(checkpoint["optimizer"])
        assert keys <= set(checkpoint["optimizer"]["param_groups"][0]), keys
        worst = max(worst, close(f"{name}: from ours", three_steps(net, optimizer), ours[name]))
        net, optimizer = start(make)
        three_steps(net, optimizer)
        torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, f"{folder}/theirs_{name}.pth")
        wanted[name] = three_steps(net, optimizer)
    subprocess.run(["node", str(script), "read", folder], check=True)
    read = json.loads(Path(folder, "read.json").read_text())
    for name in optimizers:
        worst = max(worst, close(f"{name}: from theirs", read[name], wanted[name]))
print(f"PyTorch {torch.__version__}: training goes on both ways with {', '.join(optimizers)}; worst difference {worst:.1e}")
