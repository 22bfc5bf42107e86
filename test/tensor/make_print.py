"""Makes print.json: tensors as PyTorch 2.15 prints them. Run by hand: python make_print.py

A case has either its values as text ("nan", "inf" are allowed) or the length of a range 0, 1, 2, ….
"""

import json
import os

import torch

g = torch.Generator().manual_seed(3)
KINDS = {torch.float32: "f32", torch.int64: "i32", torch.uint8: "u8"}
nan, inf = float("nan"), float("inf")


def case(t, counted=False):
    entry = {"shape": list(t.shape), "dtype": KINDS[t.dtype]}
    values = {"range": t.numel()} if counted else {"values": " ".join(repr(float(v)) for v in t.flatten().tolist())}
    return {**entry, **values, "text": str(t)}


cases = [
    *[case(torch.tensor(v)) for v in (3, 3.5, nan, 1e-10, [1.0, 2, 3], [[1, 2], [3, 4]], [1e-5, 1, 1000.0])],
    *[case(torch.tensor(v)) for v in ([nan, 1, inf], [nan, 1.5, -inf], [0.5, 123456789.0], [-0.0, 0.0], [[1e10, 1.0]])],
    case(torch.tensor([0.03125, 0.09375, -0.15625, -0.0])),
    case(torch.tensor([100005.0, 100015.0, 1e-3])),
    case(torch.tensor([1, 200, 3], dtype=torch.uint8)),
    case(torch.zeros(0)),
    case(torch.zeros(2, 0)),
    case(torch.zeros(50)),
    case(torch.randn(2, 3, 2, generator=g)),
    case(torch.randn(2, 2, 2, 2, generator=g)),
    case(torch.randn(23, generator=g)),
    case(torch.arange(2000.0), True),
    case(torch.arange(1000), True),
    case(torch.arange(2400).reshape(40, 30, 2), True),
    case(torch.arange(40000.0).reshape(200, 200), True),
]
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "print.json")
with open(path, "w") as file:
    json.dump({"torch": torch.__version__.split("+")[0], "cases": cases}, file, indent=1)
    file.write("\n")
