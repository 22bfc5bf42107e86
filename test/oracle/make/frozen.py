"""Makes ../frozen.json: ten training steps on one fixed batch that needs no data set.

The batch: 32 pictures [32, 3, 32, 32], each byte the low 8 bits of one draw of mt19937(7), in order; label i mod 10;
pixels normalised by (x / 255 - 0.5) / 0.5. The net: seed 1. Loss: cross-entropy, mean. Every step sees the same batch.
Recorded: logits before the first step, the norm of each parameter's gradient at the first step, the loss of each step
(before its update), and the norm of each parameter after the tenth. One thread.

Beside float32, "losses64" is the same in float64 from the same initial weights: how far rounding alone carries a run.
"""

import hashlib

import torch
import torch.nn.functional as F
from torch import optim

from common import NETS, nine, normalise, write_json

RUNS = {
    "lenet adam": ("lenet", "adam", {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False}),
    "lenet1 adam": ("lenet1", "adam", {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False}),
    "lenet adam amsgrad": ("lenet", "adam", {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01, "amsgrad": True}),
    "lenet sgd nesterov": ("lenet", "sgd", {"lr": 0.05, "momentum": 0.9, "dampening": 0, "weight_decay": 5e-4, "nesterov": True}),
    "lenet sgd dampening": ("lenet", "sgd", {"lr": 0.05, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0, "nesterov": False}),
}
MAKERS = {"adam": optim.Adam, "sgd": optim.SGD}


def camel(options):
    names = {"weight_decay": "weightDecay"}
    return {names.get(k, k): v for k, v in options.items()}


def batch():
    g = torch.Generator().manual_seed(7)
    pixels = torch.empty(32 * 3 * 32 * 32, dtype=torch.uint8).random_(0, 256, generator=g)
    return pixels.reshape(32, 3, 32, 32), torch.arange(32) % 10


def run(kind, optimizer, options, dtype):
    torch.manual_seed(1)
    net = NETS[kind](3, 10).to(dtype)
    pixels, labels = batch()
    x = normalise(pixels, dtype)
    opt = MAKERS[optimizer](net.parameters(), **options)
    logits = norms = None
    losses = []
    for _ in range(10):
        out = net(x)
        loss = F.cross_entropy(out, labels)
        opt.zero_grad()
        loss.backward()
        if logits is None:
            logits = out.detach()
            norms = {n: nine(p.grad.double().norm()) for n, p in net.named_parameters()}
        opt.step()
        losses.append(nine(loss.item()))
    after = {n: nine(p.detach().double().norm()) for n, p in net.named_parameters()}
    return logits, norms, losses, after


def entry(name):
    kind, optimizer, options = RUNS[name]
    logits, norms, losses, after = run(kind, optimizer, options, torch.float32)
    losses64 = run(kind, optimizer, options, torch.float64)[2]
    spread = max(abs(a / b - 1) for a, b in zip(losses, losses64))
    print(name, losses[0], losses[-1], f"float32 against float64: {spread:.1e}")
    return {
        "name": name, "net": kind, "optimizer": optimizer, "options": camel(options), "losses": losses, "losses64": losses64,
        "gradNorms": norms, "normsAfter": after, "logits": [[nine(v) for v in row] for row in logits.tolist()],
    }


torch.set_num_threads(1)
write_json(
    "frozen.json",
    {
        "torch": torch.__version__.split("+")[0],
        "pixelsSha256": hashlib.sha256(batch()[0].numpy().tobytes()).hexdigest(),
        "runs": [entry(name) for name in RUNS],
    },
)
