"""Keras `fit` of the article's nets: Adam, logits, accuracy, its progress bar (thrown away); its own participant process.

The time is that of groups of steps inside `fit`; the first steps of each `fit` are left out.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from participant import participate

GROUP = 20


def build(specs):
    model = keras.Sequential([layers.Input((32, 32, 3))])
    for spec in specs:
        if spec["op"] == "conv":
            model.add(layers.Conv2D(spec["out"], spec["kernel"], activation="relu"))
            if spec["pool"]:
                model.add(layers.MaxPooling2D(2))
            continue
        if len(model.output_shape) > 2:
            model.add(layers.Flatten())
        model.add(layers.Dense(spec["out"], activation="relu" if spec["relu"] else None))
    return model


class Enough(Exception):
    """Time is over."""


class Clock(keras.callbacks.Callback):
    """Milliseconds a step of each group of steps after the first; ends `fit` when time is over."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.times, self.steps = seconds, [], 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps % GROUP:
            return
        now = time.perf_counter()
        if self.steps == GROUP:
            self.end = now + self.seconds
        else:
            self.times.append(1000 * (now - self.last) / GROUP)
            if now > self.end:
                raise Enough
        self.last = now


def make(task):
    threads, batch = task["threads"], task["batch"]
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(1)
    model = build(task["layers"])
    model.compile(
        optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    generator = np.random.default_rng(1)
    pictures = generator.random((50000, 32, 32, 3), dtype="float32")
    labels = generator.integers(0, 10, (50000, 1))
    nowhere = open(os.devnull, "w")

    def measure(seconds):
        clock, stdout = Clock(seconds), sys.stdout
        sys.stdout = nowhere
        try:
            model.fit(pictures, labels, epochs=1000, batch_size=batch, callbacks=[clock])
        except Enough:
            pass
        finally:
            sys.stdout = stdout
        return clock.times

    return {"tensorflow": tf.__version__, "keras": keras.__version__}, measure


participate(make)
