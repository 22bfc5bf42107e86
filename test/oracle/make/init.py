"""Makes ../init.json: PyTorch's initial weights of LeNet(3, 10) and LeNet1(3, 10), and the order of batches after them.

For seeds 1, 2, 3: manual_seed, make the net, then start three iterators of DataLoader(50,000, batch 32, shuffle=True).
Recorded: SHA-256 of all parameters in order (float32 little endian), the first 8 values of each, the first 64 indices
of each epoch and the SHA-256 of all 50,000 (uint32 little endian).

Also draws of the bare generator, with which src/base/rng.ts can be tested alone.
"""

import hashlib

import torch

from common import NETS, base64_of, write_json


def order_of_epochs(count):
    data = torch.utils.data.TensorDataset(torch.arange(50000))
    loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)
    epochs = []
    for _ in range(count):
        order = torch.cat([batch[0] for batch in loader]).numpy().astype("<u4")
        epochs.append({"first": order[:64].tolist(), "sha256": hashlib.sha256(order.tobytes()).hexdigest()})
    return epochs


def net_case(kind, seed):
    torch.manual_seed(seed)
    net = NETS[kind](3, 10)
    flat = b"".join(p.detach().numpy().astype("<f4").tobytes() for p in net.parameters())
    first = {
        name: {"shape": list(p.shape), "first": base64_of(p.detach().flatten()[:8])}
        for name, p in net.named_parameters()
    }
    return {
        "net": kind,
        "seed": seed,
        "weightsSha256": hashlib.sha256(flat).hexdigest(),
        "parameters": first,
        "epochs": order_of_epochs(3),
    }


def generator_case(seed):
    """Draws after manual_seed(seed), in this order, from one generator."""
    g = torch.Generator().manual_seed(seed)
    bits = torch.empty(4, dtype=torch.int32).random_(generator=g)
    uniform = torch.empty(1500).uniform_(-0.3, 0.7, generator=g)
    wide = torch.empty(5).uniform_(-1e30, 1e30, generator=g)
    whole = torch.empty(5, dtype=torch.int64).random_(generator=g)
    order = torch.randperm(100, generator=g)
    few = torch.empty(7).normal_(1, 2, generator=g)
    many = torch.empty(40).normal_(-0.5, 0.25, generator=g)
    few_more = torch.empty(2).normal_(0, 1, generator=g)
    last = torch.empty(1, dtype=torch.int32).random_(generator=g)
    return {
        "seed": str(seed),
        "u31": bits.tolist(),
        "uniform": {"a": -0.3, "b": 0.7, "count": 1500, "sha256": hashlib.sha256(uniform.numpy().tobytes()).hexdigest()},
        "uniformWide": {"a": -1e30, "b": 1e30, "data": base64_of(wide)},
        "random63": [str(v) for v in whole.tolist()],
        "randperm100": order.tolist(),
        "normalFew": {"mean": 1, "std": 2, "data": base64_of(few)},
        "normalMany": {"mean": -0.5, "std": 0.25, "data": base64_of(many)},
        "normalFewMore": {"mean": 0, "std": 1, "data": base64_of(few_more)},
        "lastU31": last.item(),
    }


torch.set_num_threads(1)
write_json(
    "init.json",
    {
        "torch": torch.__version__.split("+")[0],
        "nets": [net_case(kind, seed) for kind in NETS for seed in (1, 2, 3)],
        "generator": [generator_case(seed) for seed in (0, 1, 2**32 + 5, -1, 2**63)],
    },
)
