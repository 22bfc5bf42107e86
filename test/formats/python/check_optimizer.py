"""
Training goes on in PyTorch from our `{model, optimizer}` checkpoints, and with us from PyTorch's: run after
`npm run build` by `npm run test:python`, or alone: python test/formats/python/check_optimizer.py
"""

import json
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from peers import done, node, pictures, same
from torch_nets import LeNet

x, y = torch.from_numpy(pictures(8)), torch.arange(8)
optimizers = {
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3, betas=(0.8, 0.99)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=3e-4, momentum=0.5, centered=True),
}


def start(make):
    torch.manual_seed(3)
    net = LeNet()
    return net, make(net.parameters())


def five_steps(net, optimizer):
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] - losses[-1] > 1e-3, losses
    return losses


with tempfile.TemporaryDirectory() as folder:
    node("trainOnward", "write", folder)
    ours = json.loads(Path(folder, "ours.json").read_text())
    wanted = {}
    for name, make in optimizers.items():
        net, optimizer = start(make)
        checkpoint = torch.load(f"{folder}/ours_{name}.pth", weights_only=True)
        net.load_state_dict(checkpoint["model"])
        keys = set(optimizer.state_dict()["param_groups"][0])
        optimizer.load_state_dict(checkpoint["optimizer"])
        assert keys <= set(checkpoint["optimizer"]["param_groups"][0]), keys
        same(f"PyTorch goes on from our {name}, five losses", five_steps(net, optimizer), ours[name])
        net, optimizer = start(make)
        five_steps(net, optimizer)
        torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, f"{folder}/theirs_{name}.pth")
        wanted[name] = five_steps(net, optimizer)
    node("trainOnward", "read", folder)
    read = json.loads(Path(folder, "read.json").read_text())
    for name in optimizers:
        same(f"we go on from PyTorch's {name}, five losses", read[name], wanted[name])
done(f"PyTorch {torch.__version__}, training goes on both ways")
