"""What the oracle makers share: the two nets, the reading of CIFAR-10's binary batches, and the writing of numbers.

Not a test: run by hand with PyTorch (2.15, CPU) to make the frozen files beside this folder. See README.md.
"""

import base64
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ORACLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


class LeNet(nn.Module):
    def __init__(self, in_dim=1, n_class=10):
        super().__init__()
        self.conv1 = nn.Conv2d(in_dim, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, n_class)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.reshape(x.size(0), -1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class LeNet1(nn.Module):
    def __init__(self, in_dim=1, n_class=10):
        super().__init__()
        self.conv1 = nn.Conv2d(in_dim, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.fc1 = nn.Linear(64 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, n_class)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.conv3(x))
        x = x.reshape(x.size(0), -1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


NETS = {"lenet": LeNet, "lenet1": LeNet1}


def normalise(pixels, dtype=torch.float32):
    """ToTensor and Normalize(0.5, 0.5), in torchvision's order of operations. pixels: uint8, any shape."""
    return pixels.to(torch.float32).div(255).sub(0.5).div(0.5).to(dtype)


def cifar10_train(folder):
    """The 50,000 training pictures, uint8 [50000, 3, 32, 32], and their labels, int64 [50000].

    folder holds data_batch_1 … data_batch_5 (with or without .bin): records of one label byte and 3,072 pixel bytes.
    """
    parts = []
    for i in range(1, 6):
        path = os.path.join(folder, f"data_batch_{i}")
        path = path if os.path.exists(path) else path + ".bin"
        parts.append(np.fromfile(path, dtype=np.uint8).reshape(10000, 3073))
    records = torch.from_numpy(np.concatenate(parts))
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].to(torch.int64)


def nine(value):
    """A number with nine significant digits: enough to give back any float32."""
    return float(f"{float(value):.9g}")


def base64_of(tensor):
    """float32 little endian for floats, int32 for integers, one byte for bool."""
    kinds = {torch.float32: "<f4", torch.float64: "<f4", torch.int64: "<i4", torch.bool: "u1"}
    return base64.b64encode(tensor.detach().numpy().astype(kinds[tensor.dtype]).tobytes()).decode()


def write_json(name, value, compact_from=2):
    """Writes ../NAME with one line for each entry down to depth `compact_from`."""
    path = os.path.join(ORACLE, name)
    with open(path, "w") as file:
        file.write(lines(value, compact_from, "") + "\n")
    print(name, os.path.getsize(path), "bytes", file=sys.stderr)


def lines(value, depth, indent):
    inner = indent + "  "
    if depth and isinstance(value, dict) and value:
        body = [inner + json.dumps(k) + ": " + lines(v, depth - 1, inner) for k, v in value.items()]
        return "{\n" + ",\n".join(body) + "\n" + indent + "}"
    if depth and isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(inner + lines(v, 0, inner) for v in value) + "\n" + indent + "]"
    return json.dumps(value)
