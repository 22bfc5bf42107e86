"""Makes ../optim.json: what optimizers and schedulers of PyTorch and optimizers of Keras do, step by step.

Optimizers: three parameters (1, -3, 0.5) and eight gradients that are given; recorded is what each step leaves, with
PyTorch in float64, with Keras in float32, and PyTorch's state after the last step. Schedulers: the learning rate after
each of 14 steps, beginning with 0.4.
"""

import json
import subprocess
import sys

import torch
from torch import optim
from torch.optim import lr_scheduler

from common import nine, write_json

START = [1.0, -3.0, 0.5]
GRADIENTS = [[1, -2, 0.5], [-2, -1, 0.1], [0.5, 3, 0], [3, 0.2, -0.4], [-0.25, 0, 1], [0.1, 0.1, 0.1], [0, -4, 2], [1, 1, -1]]

TORCH = [
    ("RMSprop", optim.RMSprop, {}),
    ("RMSprop", optim.RMSprop, {"lr": 0.05, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", optim.RMSprop, {"lr": 0.02, "momentum": 0.9}),
    ("RMSprop", optim.RMSprop, {"lr": 0.02, "centered": True}),
    ("RMSprop", optim.RMSprop, {"lr": 0.02, "alpha": 0.4, "centered": True, "momentum": 0.5}),
    ("Adagrad", optim.Adagrad, {}),
    ("Adagrad", optim.Adagrad, {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1}),
    ("Adagrad", optim.Adagrad, {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 0.01}),
    ("AdamW", optim.AdamW, {"lr": 0.1, "weight_decay": 0.2, "amsgrad": True}),
]
KERAS = [
    ("RMSprop", {"learning_rate": 0.01}, {"lr": 0.01, "alpha": 0.9, "eps": 1e-7}),
    ("RMSprop", {"learning_rate": 0.02, "rho": 0.8, "momentum": 0.9, "epsilon": 0.01}, {"lr": 0.02, "alpha": 0.8, "momentum": 0.9, "eps": 0.01}),
    ("RMSprop", {"learning_rate": 0.02, "centered": True}, {"lr": 0.02, "alpha": 0.9, "eps": 1e-7, "centered": True}),
    ("Adagrad", {"learning_rate": 0.1}, {"lr": 0.1, "eps": 1e-7, "initialAccumulatorValue": 0.1}),
]
NAMES = {"weight_decay": "weightDecay", "lr_decay": "lrDecay", "initial_accumulator_value": "initialAccumulatorValue"}
SCHEDULERS = [
    ("StepLR", lambda o: lr_scheduler.StepLR(o, 3, 0.5), [3, 0.5]),
    ("MultiStepLR", lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 5, 9], 0.5), [[2, 5, 5, 9], 0.5]),
    ("ExponentialLR", lambda o: lr_scheduler.ExponentialLR(o, 0.9), [0.9]),
    ("CosineAnnealingLR", lambda o: lr_scheduler.CosineAnnealingLR(o, 5, 0.01), [5, 0.01]),
    ("CosineAnnealingLR", lambda o: lr_scheduler.CosineAnnealingLR(o, 14), [14]),
]
METRICS = [3, 2, 2, 1.9999, 2, 2, 1.5, 1.6, 1.6, 1.6, 1.6, 1.6, 1.6, 1.6]
PLATEAUS = [
    {"factor": 0.5, "patience": 1},
    {"factor": 0.5, "patience": 1, "cooldown": 2, "min_lr": 0.15},
    {"factor": 0.1, "patience": 0, "threshold": 0.2, "threshold_mode": "abs"},
    {"mode": "max", "factor": 0.5, "patience": 2},
]


def torch_steps(make, options):
    parameter = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    optimizer = make([parameter], **options)
    steps = []
    for gradient in GRADIENTS:
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        steps.append([nine(v) for v in parameter.detach()])
    state = {name: [nine(v) for v in torch.atleast_1d(value)] for name, value in optimizer.state[parameter].items()}
    return steps, state


KERAS_STEPS = """
import json, sys
import keras, numpy as np
name, options, start, gradients = json.loads(sys.argv[1])
variable = keras.Variable(np.array(start, dtype=np.float32))
optimizer = getattr(keras.optimizers, name)(**options)
steps = []
for gradient in gradients:
    optimizer.apply([keras.ops.convert_to_tensor(np.array(gradient, dtype=np.float32))], [variable])
    steps.append([float(f"{v:.9g}") for v in keras.ops.convert_to_numpy(variable).tolist()])
print(json.dumps([keras.__version__, steps]))
"""


def keras_steps(name, options):
    """In a process of its own: PyTorch's and TensorFlow's libraries do not like each other."""
    arguments = json.dumps([name, options, START, GRADIENTS])
    out = subprocess.run([sys.executable, "-c", KERAS_STEPS, arguments], capture_output=True, check=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def rates(make, step=lambda scheduler, i: scheduler.step()):
    optimizer = optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.4)
    scheduler = make(optimizer)
    found = []
    for i in range(14):
        optimizer.step()
        step(scheduler, i)
        found.append(nine(optimizer.param_groups[0]["lr"]))
    return found


optimizers = []
for name, make, options in TORCH:
    steps, state = torch_steps(make, options)
    ours = {NAMES.get(key, key): value for key, value in options.items()}
    optimizers.append({"name": name, "options": ours, "steps": steps, "state": state})
for name, options, ours in KERAS:
    version, steps = keras_steps(name, options)
    optimizers.append({"name": name, "options": {**ours, "formula": "keras"}, "steps": steps, "state": None})
schedulers = [{"name": name, "arguments": arguments, "rates": rates(make)} for name, make, arguments in SCHEDULERS]
for options in PLATEAUS:
    found = rates(lambda o: lr_scheduler.ReduceLROnPlateau(o, **options), lambda s, i: s.step(METRICS[i]))
    ours = {{"min_lr": "minLr", "threshold_mode": "thresholdMode"}.get(key, key): value for key, value in options.items()}
    schedulers.append({"name": "ReduceLROnPlateau", "arguments": [ours], "rates": found})
write_json("optim.json", {
    "torch": torch.__version__.split("+")[0], "keras": version,
    "start": START, "gradients": GRADIENTS, "metrics": METRICS, "optimizers": optimizers, "schedulers": schedulers,
})
