"""PyTorch's training step of the article's nets, with Adam, in one of its modes; its own participant process.

eager: as the article writes it, loss and correct answers read in mid-step. fused: one fused Adam, the loss read after the
step. channels-last: fused, and pictures and weights in NHWC. compile: torch.compile of net and loss, fused Adam.
The data is in memory and normalised already: no loader, which would only make it slower.
"""

import torch
from torch import nn
from torch.nn import functional as F

from participant import participate, timed


class Net(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.specs = layers
        self.layers = nn.ModuleList(
            nn.Conv2d(layer["in"], layer["out"], layer["kernel"])
            if layer["op"] == "conv"
            else nn.Linear(layer["in"], layer["out"])
            for layer in layers
        )

    def forward(self, x):
        for spec, layer in zip(self.specs, self.layers):
            if spec["op"] == "conv":
                x = F.relu(layer(x))
                x = F.max_pool2d(x, 2) if spec["pool"] else x
                continue
            x = layer(x if x.dim() == 2 else x.reshape(x.size(0), -1))
            x = F.relu(x) if spec["relu"] else x
        return x


def make(task):
    torch.manual_seed(1)
    torch.set_num_threads(task["threads"])
    mode, batch = task["mode"], task["batch"]
    net, criterion = Net(task["layers"]), nn.CrossEntropyLoss()
    count = max(1024, batch)
    pictures, labels = torch.rand(count, 3, 32, 32) * 2 - 1, torch.randint(0, 10, (count,))
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
