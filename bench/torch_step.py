"""PyTorch's training step of the article's nets: batch 32, Adam, one and all threads, as written and at its best.

usage: torch_step.py lenet|lenet1      prints one JSON object a line: medians, warm-up left out
"""

import json
import os
import statistics
import sys
import time

import torch
from torch import nn

LAYERS = {
    "lenet": lambda: [
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ],
    "lenet1": lambda: [
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10),
    ],
}


def measure(net: str, threads: int, best: bool, seconds: float = 3.0) -> dict:
    torch.set_num_threads(threads)
    model = nn.Sequential(*LAYERS[net]())
    pictures = torch.rand(1024, 3, 32, 32) * 2 - 1
    if best:
        model = model.to(memory_format=torch.channels_last)
        pictures = pictures.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (1024,))
    batches = [torch.randperm(1024)[:32] for _ in range(64)]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=best)
    criterion = nn.CrossEntropyLoss()
    times, begin = [], time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        batch = batches[len(times) % 64]
        optimizer.zero_grad()
        loss = criterion(model(pictures[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - start)
    middle = statistics.median(times[len(times) // 4 :]) * 1e3
    who = f"torch-{torch.__version__.split('+')[0]}-{'best' if best else 'article'}"
    return {"event": "bench", "net": net, "who": who, "threads": threads, "medianStepMs": round(middle, 3)}


for count in sorted({1, os.cpu_count() or 1}):
    for mode in (False, True):
        print(json.dumps(measure(sys.argv[1], count, mode)))
