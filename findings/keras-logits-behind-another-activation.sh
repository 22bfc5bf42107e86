#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: a model that ends in softmax and is compiled with binary_crossentropy is not scored by
# its probabilities. The TensorFlow backend takes the logits that the softmax left on its output, and puts the sigmoid's
# cross-entropy on them, though the probabilities that predict() gives are the softmax's. Nothing is warned of.
# A Reshape to the same shape behind the softmax changes the loss of the same function: the logits are forgotten, and the
# probabilities count.
#
# Expected: -mean(log p1, log(1 - p2), log(1 - p3)) of the softmax's probabilities, about 6e-5 in both cases.
# Seen: 0.006715 (the sigmoid's of logits 5, -5, -5) without the Reshape, 0.000061 with it.
#
# Takes some minutes and 1.5 GB in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" - <<'PYTHON'
import sys

import keras
import numpy as np
import tensorflow as tf


def loss_of(*behind):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax"), *behind])
    model.layers[0].set_weights([np.zeros((2, 3), "float32"), np.array([5.0, -5.0, -5.0], "float32")])
    model.compile(loss="binary_crossentropy")
    x, y = np.zeros((1, 2), "float32"), np.array([[1.0, 0.0, 0.0]], "float32")
    return float(model.evaluate(x, y, verbose=0)), model.predict(x, verbose=0)[0]


loss, p = loss_of()
reshaped, q = loss_of(keras.layers.Reshape((3,)))
by_probabilities = float(-np.mean([np.log(p[0]), np.log1p(-p[1]), np.log1p(-p[2])]))
by_sigmoid = float(np.log1p(np.exp(-5.0)))
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
print(f"probabilities {p} and, behind a Reshape, {q}")
print(f"loss {loss:.6f}; behind a Reshape {reshaped:.6f}")
print(f"by the probabilities {by_probabilities:.6f}, by the sigmoid of the logits {by_sigmoid:.6f}")
as_seen = (
    np.array_equal(p, q)
    and abs(loss - by_sigmoid) < 1e-5
    and abs(reshaped - by_probabilities) < 1e-5
)
sys.exit(0 if as_seen else 1)
PYTHON
