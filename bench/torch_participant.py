"""PyTorch's training step of the nets that are measured, with Adam, in one of its modes; its own participant process.

eager: as the article writes it, loss and correct answers read in mid-step. fused: one fused Adam, the loss read after the
step. channels-last: fused, and pictures and weights in NHWC. compile: torch.compile of net and loss, fused Adam.
The data is in memory and normalised already: no loader, which would only make it slower.
"""

import torch
from torch import nn
from torch.nn import functional as F

from participant import participate, timed


class Residual(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.body, self.relu = chain(spec["body"]), spec["relu"]
        self.down = chain(spec["down"]) if spec["down"] else nn.Identity()

    def forward(self, x):
        total = self.body(x) + self.down(x)
        return F.relu(total) if self.relu else total


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def layers_for(spec):
    op = spec["op"]
    if op == "residual":
        return [Residual(spec)]
    if op == "mean":
        return [Mean()]
    if op == "maxPool":
        return [nn.MaxPool2d(spec["kernel"], spec["stride"], spec["padding"])]
    relu = [nn.ReLU()] if spec["relu"] else []
    if op == "linear":
        return [nn.Linear(spec["in"], spec["out"]), *relu]
    kernel, norm = spec["kernel"], spec["norm"]
    padding = (kernel - 1) // 2 if spec["same"] else 0
    conv = nn.Conv2d(
        spec["in"], spec["out"], kernel, spec["stride"], padding, groups=spec["groups"], bias=not norm
    )
    return [
        conv,
        *([nn.BatchNorm2d(spec["out"])] if norm else []),
        *relu,
        *([nn.MaxPool2d(2)] if spec["pool"] else []),
    ]


def chain(specs):
    return nn.Sequential(*(layer for spec in specs for layer in layers_for(spec)))


def net_of(specs):
    flat = next(i for i, spec in enumerate(specs) if spec["op"] == "linear")
    return nn.Sequential(*chain(specs[:flat]), nn.Flatten(), *chain(specs[flat:]))


def make(task):
    torch.manual_seed(1)
    torch.set_num_threads(task["threads"])
    mode, batch = task["mode"], task["batch"]
    net, criterion = net_of(task["layers"]), nn.CrossEntropyLoss()
    side = task["side"]
    count = max(1024, batch) if task["net"] in ("lenet", "lenet1") else 2 * batch
    pictures, labels = torch.rand(count, 3, side, side) * 2 - 1, torch.randint(0, 10, (count,))
    if mode == "channels-last":
        net = net.to(memory_format=torch.channels_last)
        pictures = pictures.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=mode != "eager")
    batches = [torch.randperm(count)[:batch] for _ in range(64)]
    turn = 0

    def next_batch():
        nonlocal turn
        turn += 1
        index = batches[turn % 64]
        return pictures[index], labels[index]

    def article_step():
        inputs, targets = next_batch()
        outputs = net(inputs)
        loss = criterion(outputs, targets)
        _, predicted = torch.max(outputs.data, 1)
        (predicted == targets).sum().item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    def loss_of(inputs, targets):
        return criterion(net(inputs), targets)

    forward = torch.compile(loss_of) if mode == "compile" else loss_of

    def step():
        inputs, targets = next_batch()
        optimizer.zero_grad()
        loss = forward(inputs, targets)
        loss.backward()
        optimizer.step()
        loss.item()

    facts = {"torch": torch.__version__}
    return facts, lambda seconds: timed(article_step if mode == "eager" else step, seconds)


participate(make)
