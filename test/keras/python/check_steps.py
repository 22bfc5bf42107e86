"""
Each of 100 steps of Keras done again by us, from Keras's own weights before that step: the losses of both nets on Adam's
way, and the weights after each step of SGD. So no difference can grow from step to step, and every one would show.
Run after `npm run build` by `npm run test:python`, or alone: python test/keras/python/check_steps.py
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tensorflow  # noqa: F401  the backend that Keras takes here
from keras import layers

script = Path(__file__).resolve().parents[3] / "dist/test/keras/python/steps.js"
STEPS, BATCH = 100, 32


def lenet():
    return [layers.Conv2D(6, 5, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(16, 5, activation="relu"),
        layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(120, activation="relu"), layers.Dense(84, activation="relu"),
        layers.Dense(10)]


def lenet1():
    return [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2), layers.Conv2D(64, 3, activation="relu"), layers.Flatten(), layers.Dense(64, activation="relu"),
        layers.Dense(10)]


def pictures():
    """Ten blurred colour patches with noise: something that a net can learn."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 10, STEPS * BATCH).astype(np.uint8)
    patches = np.kron(random.random((10, 4, 4, 3)), np.ones((1, 8, 8, 1)))
    noisy = patches[labels] * 0.6 + random.random((len(labels), 32, 32, 3)) * 0.4
    return (noisy * 255).astype(np.uint8), labels


def run(make, optimizer, x, labels, folder, name):
    """Writes the weights before each step and after the last one; gives the losses."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((32, 32, 3)), *make()])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    weights = lambda: np.concatenate([weight.numpy().ravel() for weight in model.weights])
    rows, losses = [weights()], []
    for i in range(0, len(x), BATCH):
        losses.append(float(model.train_on_batch(x[i : i + BATCH] / np.float32(255), labels[i : i + BATCH])))
        model.reset_metrics()
        rows.append(weights())
    np.stack(rows).astype("<f4").tofile(f"{folder}/{name}.bin")
    return losses


runs = {f"{net.__name__} {optimizer}": (net, optimizer) for net in (lenet, lenet1) for optimizer in ("adam", "sgd")}
with tempfile.TemporaryDirectory() as folder:
    x, labels = pictures()
    x.tofile(f"{folder}/pictures.bin")
    labels.tofile(f"{folder}/labels.bin")
    theirs = {name: run(*how, x, labels, folder, name) for name, how in runs.items()}
    subprocess.run(["node", str(script), folder, str(STEPS), *runs], check=True)
    ours = json.loads(Path(folder, "ours.json").read_text())

for name in runs:
    losses, moved = ours[name]["losses"], ours[name]["weights"]
    worst = max(abs(a - b) for a, b in zip(losses, theirs[name], strict=True))
    assert worst <= 5e-6, (name, worst)
    assert np.mean(theirs[name][-10:]) < 0.97 * np.mean(theirs[name][:10]), f"{name}: Keras has learnt nothing"
    assert (moved is None) == name.endswith("adam")
    after = ""
    if moved is not None:
        # where two values of a max-pool's window are equal but for the last digit, its gradient may take the other way
        same = sum(distance <= 1e-7 for distance in moved)
        assert same >= 0.9 * STEPS and max(moved) <= 1e-4, (name, same, max(moved))
        after = f"; the weights after it within 1e-7 in {same} steps, else {max(moved):.1e}"
    print(f"{name}: the loss of each of {STEPS} steps within {worst:.1e} of Keras's{after}")
