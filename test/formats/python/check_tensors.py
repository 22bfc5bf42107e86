"""
The safetensors library and NumPy open what we write: run after `npm run build` by `npm run test:python`, or alone:
python test/formats/python/check_tensors.py
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file, save

script = Path(__file__).resolve().parents[3] / "dist/test/formats/python/writeTensorFiles.js"


def ramp(n):
    return (torch.arange(n, dtype=torch.float64) - 3).div(7).float()


halves = torch.tensor([[0.1, -65504, 2**-24, float("inf")]]).reshape(2, 2)
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
    "half": halves.half(),
    "brain": halves.bfloat16(),
}


def same(name, got):
    want = expected[name]
    assert got.dtype == want.dtype and got.shape == want.shape, (name, got.dtype, got.shape)
    assert torch.equal(got.double().nan_to_num(7), want.double().nan_to_num(7)), name


with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["node", str(script), folder], check=True)
    tensors = load_file(f"{folder}/all.safetensors")
    assert set(tensors) == set(expected)
    for name, tensor in tensors.items():
        same(name, tensor)
    with safetensors.safe_open(f"{folder}/all.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    assert Path(f"{folder}/all.safetensors").read_bytes() == save(tensors, {"format": "pt"})
    arrays = np.load(f"{folder}/all.npz", allow_pickle=False)
    assert set(arrays.files) == set(expected) - {"brain"}
    for name in arrays.files:
        same(name, torch.from_numpy(arrays[name].copy()))
        alone = np.load(f"{folder}/{name}.npy", allow_pickle=False)
        assert alone.tobytes() == arrays[name].tobytes() and alone.dtype == arrays[name].dtype
print("safetensors", safetensors.__version__, "and NumPy", np.__version__, "open what we write")
