"""
PyTorch opens what we write: run with PyTorch after `npm run build`: python test/formats/python/check_pth.py
Optional: no other test needs Python.
"""

import collections
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

script = Path(__file__).resolve().parents[3] / "dist/test/formats/python/writeSamples.js"
if len(sys.argv) > 1:
    script = Path(sys.argv[1])


def ramp(n):
    return (torch.arange(n, dtype=torch.float64) - 3).div(7).float()


expected = {
    "conv1.weight": ramp(450).reshape(6, 3, 5, 5),
    "conv1.bias": ramp(6),
    "odd": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
    "scalar": torch.tensor(0.5),
    "empty": torch.zeros(0, 3),
    "doubles": torch.tensor([0.1, -1e300], dtype=torch.float64),
    "longs": torch.tensor([-(2**62), 3]),
    "ints": torch.tensor([-(2**31), 5], dtype=torch.int32),
    "shorts": torch.tensor([-32768, 5], dtype=torch.int16),
    "chars": torch.tensor([-128, 5], dtype=torch.int8),
    "bytes": torch.tensor([255, 5], dtype=torch.uint8),
    "flags": torch.tensor([True, False]),
}


def same(tensors):
    assert list(tensors) == list(expected)
    for name, want in expected.items():
        got = tensors[name]
        assert got.dtype == want.dtype and got.shape == want.shape, name
        bits = lambda t: bytes(t.contiguous().numpy().tobytes())
        assert bits(got) == bits(want) or name == "odd" and torch.equal(got.nan_to_num(1), want.nan_to_num(1)), name


with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["node", str(script), folder], check=True)
    for options in ({}, {"mmap": True}):
        state = torch.load(f"{folder}/state.pth", weights_only=True, **options)
        assert type(state) is collections.OrderedDict
        same(state)
        conv = torch.nn.Conv2d(3, 6, 5)
        conv.load_state_dict({k.removeprefix("conv1."): v for k, v in state.items() if k.startswith("conv1.")})
        assert torch.equal(conv.weight, expected["conv1.weight"])
        checkpoint = torch.load(f"{folder}/checkpoint.pth", weights_only=True, **options)
        same(checkpoint["model"])
        assert checkpoint["epoch"] == 7 and type(checkpoint["epoch"]) is int and checkpoint["big"] == 2**70
        numbers = [1, -1, 255, 256, -(2**31), 2**31, 2**53 - 1, -(2**53 - 1), 0.1]
        assert checkpoint["list"] == [*numbers, "é😀", None, True, False, []]
        assert checkpoint["optimizer"]["state"][0]["step"].item() == 2
        assert checkpoint["optimizer"]["param_groups"] == [{"lr": 1e-3, "betas": [0.9, 0.999], "params": [0]}]
print("PyTorch", torch.__version__, "opens what we write")
