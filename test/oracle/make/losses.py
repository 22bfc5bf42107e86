"""Makes ../losses.json: the loss of each of the first 500 batches, LeNet and LeNet1, as the article trains them.

    python losses.py FOLDER      FOLDER holds CIFAR-10's data_batch_1.bin … data_batch_5.bin

Seed 1: manual_seed, net, then DataLoader(shuffle=True, batch 32). ToTensor and Normalize(0.5), cross-entropy, Adam 1e-3,
float32, two threads. Nine significant digits.

What PyTorch differs from itself on these very runs (largest relative difference of the first 10, of the first 100,
and of the mean of the 500), printed again by each run of this script:

    lenet   two threads again  0.0e+00  0.0e+00  0.0e+00
    lenet   one thread         0.0e+00  1.0e-03  5.3e-04
    lenet   channels_last      1.0e-07  1.3e-03  1.4e-04
    lenet   float64            6.6e-07  1.3e-02  1.5e-03
    lenet1  two threads again  0.0e+00  0.0e+00  0.0e+00
    lenet1  one thread         6.3e-07  1.6e-02  1.6e-03
    lenet1  channels_last      4.2e-07  2.0e-02  1.3e-03
    lenet1  float64            4.6e-07  1.7e-02  1.7e-03

A run is chaotic: one relu or max-pool that falls to the other side is enough. With every initial weight moved by at most
half a unit in the last place, 16 (LeNet) and 6 (LeNet1) runs gave, for the first 100: LeNet 13 times 1.3e-3 … 1.4e-3,
once 2.6e-7, twice 9.8e-3; LeNet1 1.1e-2 … 3.1e-2. The first 10 were always within 6.3e-7, the means of the 500 within
9.8e-4 and 3.0e-3. `--noise` prints these.
"""

import sys

import torch
import torch.nn.functional as F

from common import NETS, cifar10_train, nine, normalise, write_json

STEPS = 500


def train(kind, images, labels, dtype=torch.float32, threads=2, channels_last=False, noise=None):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = NETS[kind](3, 10).to(dtype)
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    if noise is not None:
        g = torch.Generator().manual_seed(noise)
        with torch.no_grad():
            for p in net.parameters():
                p.mul_(1 + (torch.rand(p.shape, generator=g) - 0.5) * 1.2e-7)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    order = torch.utils.data.TensorDataset(torch.arange(len(labels)))
    losses = []
    for (indices,) in torch.utils.data.DataLoader(order, batch_size=32, shuffle=True):
        x = normalise(images[indices], dtype)
        x = x.to(memory_format=torch.channels_last) if channels_last else x
        loss = F.cross_entropy(net(x), labels[indices])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(nine(loss.item()))
        if len(losses) == STEPS:
            return losses


def spread(a, b):
    relative = [abs(x / y - 1) for x, y in zip(a, b)]
    return f"{max(relative[:10]):.1e}  {max(relative[:100]):.1e}  {abs(sum(a) / sum(b) - 1):.1e}"


images, labels = cifar10_train(sys.argv[1])
result = {}
for kind in NETS:
    result[kind] = train(kind, images, labels)
    noises = {"lenet": 16, "lenet1": 6}[kind] if "--noise" in sys.argv else 0
    for name, options in [
        ("two threads again", {}),
        ("one thread", {"threads": 1}),
        ("channels_last", {"channels_last": True}),
        ("float64", {"dtype": torch.float64}),
        *[(f"noise {n}", {"noise": n, "threads": 1}) for n in range(noises)],
    ]:
        print(f"    {kind:7s} {name:18s} {spread(result[kind], train(kind, images, labels, **options))}", flush=True)
write_json("losses.json", {"torch": torch.__version__.split("+")[0], "seed": 1, "batchSize": 32, "losses": result}, 1)
