"""What the scripts of Keras' oracles share: numbers, weights, texts, and a small model trained and told of. Not run by itself."""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import keras
from keras import models

HERE = os.path.dirname(os.path.abspath(__file__))


class Numbers:
    """x ← 1664525 x + 1013904223 mod 2³²; the upper 24 bits as a fraction of 1."""

    def __init__(self, seed):
        self.x = seed

    def uniform(self, count):
        out = np.empty(count, np.float32)
        for i in range(count):
            self.x = (self.x * 1664525 + 1013904223) % 2**32
            out[i] = (self.x >> 8) / 2**24
        return out


def weights_for(model, seed):
    """Kernels uniform in ±√(6 / (fan in + fan out)), the rest as Keras begins."""
    numbers = Numbers(seed)
    values = []
    for weight in model.weights:
        if weight.name != "kernel":
            values.append(weight.numpy())
            continue
        field = int(np.prod(weight.shape[:-2]))
        limit = np.float32(np.sqrt(6 / (field * (weight.shape[-2] + weight.shape[-1]))))
        u = numbers.uniform(int(np.prod(weight.shape)))
        values.append(((np.float32(2) * u - np.float32(1)) * limit).reshape(weight.shape))
    model.set_weights(values)


def summary(model, columns, **options):
    os.environ["COLUMNS"] = str(columns)
    lines = []
    model.summary(print_fn=lines.append, **options)
    return "\n".join(lines)


def nine(values):
    """Nine significant digits, nested as they are."""
    if isinstance(values, (list, tuple)):
        return [nine(v) for v in values]
    if isinstance(values, dict):
        return {k: nine(v) for k, v in values.items()}
    return float(f"{float(values):.9g}")


def model_of(shape, make):
    """`make()` gives the layers of a Sequential, `make(x)` what a functional model gives for its input."""
    if make.__code__.co_argcount == 0:
        return models.Sequential([keras.Input(shape), *make()])
    x = keras.Input(shape)
    return keras.Model(x, make(x), name="net")


def case_run(name, shape, make, compiled, kind, fitted={}):
    keras.utils.clear_session()
    model = model_of(shape, make)
    weights_for(model, 5)
    model.compile(**compiled())
    numbers = Numbers(9)
    x = numbers.uniform(24 * int(np.prod(shape))).reshape(24, *shape)
    y = np.arange(24) * 7 % 5
    if kind == "onehot":
        y = np.eye(5, dtype=np.float32)[y]
    if kind == "flat":
        y = numbers.uniform(24 * int(np.prod(model.output_shape[1:]))).reshape(24, -1)
    history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, validation_split=0.25, verbose=0, **{k: np.asarray(v, np.float32) if k == "sample_weight" else v for k, v in fitted.items()})
    return {
        "name": name,
        "labels": kind,
        **({"fit": fitted} if fitted else {}),
        "summary": summary(model, 80),
        "wide": summary(model, 140, line_length=100, show_trainable=True),
        "config": model.get_config(),
        "compile": model.get_compile_config(),
        "keys": list(history.history),
        "history": nine(history.history),
        "weights": [{"path": w.path, "shape": list(w.shape), "values": nine(w.numpy().ravel().tolist())} for w in model.weights],
        "variables": [{"path": v.path, "shape": list(v.shape), "sum": nine(np.abs(v.numpy()).sum())} for v in model.optimizer.variables],
        "evaluated": nine(model.evaluate(x, y, verbose=0, batch_size=10)),
        "predicted": nine(model.predict(x[:3], verbose=0).tolist()),
    }


def compact(value, depth):
    """JSON with a line for each part down to `depth`."""
    if depth == 0 or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[\n" + ",\n".join(compact(v, depth - 1) for v in value) + "\n]"
    return "{\n" + ",\n".join(f"{json.dumps(k)}: {compact(v, depth - 1)}" for k, v in value.items()) + "\n}"


def write(name, result):
    with open(os.path.join(HERE, "..", name), "w") as file:
        file.write(compact(result, 3) + "\n")
