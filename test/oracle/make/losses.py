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
"""

import sys

import torch
import torch.nn.functional as F

from common import NETS, cifar10_train, nine, normalise, write_json

STEPS = 500


def train(kind, images, labels, dtype=torch.float32, threads=2, channels_last=False):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = NETS[kind](3, 10).to(dtype)
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
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
    for name, options in [
        ("two threads again", {}),
        ("one thread", {"threads": 1}),
        ("channels_last", {"channels_last": True}),
        ("float64", {"dtype": torch.float64}),
    ]:
        print(f"    {kind:7s} {name:18s} {spread(result[kind], train(kind, images, labels, **options))}", flush=True)
write_json("losses.json", {"torch": torch.__version__.split("+")[0], "seed": 1, "batchSize": 32, "losses": result}, 1)
