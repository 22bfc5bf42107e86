#!/usr/bin/env bash
# Keras 3.15.1 (on PyTorch 2.15.0): with one output, dicts of `loss_weights` and `metrics` go by their order, not by their names. A model compiled with
# loss_weights={"another": 2.0}, where no output and no layer is called so, trains and is evaluated with its loss doubled, in
# Sequential and functional models alike; metrics={"another": ["mse"]} is computed as if it were the output's. A misspelt name
# of a weight is told only where the dict has more entries than there are losses.
#
# Expected: an error that names "another".
# Seen: 0.0751 without weights, 0.1502 with {"another": 2.0}, no error; two entries: "must match the number of losses".
#
# Takes some minutes and 5 GB in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 keras==3.15.1
cd "$folder"
cat >weights.py <<'PYTHON'
import sys

import keras
import numpy as np

x = np.array([[0.98], [0.5], [0.1], [0.2]], "float32")
y = np.array([[1], [1], [0], [0]], "float32")


def sequential():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones", name="score")])


def functional():
    inputs = keras.Input((1,))
    return keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones", name="score")(inputs))


def loss_of(make, weights, metrics=None):
    model = make()
    model.compile(optimizer="sgd", loss="mse", loss_weights=weights, metrics=metrics)
    try:
        return np.round(model.evaluate(x, y, verbose=0), 4).tolist()
    except ValueError as error:
        return str(error)[:60]


print(f"Keras {keras.__version__}")
as_seen = True
for make in (sequential, functional):
    plain, other, more = (loss_of(make, w) for w in (None, {"another": 2.0}, {"another": 2.0, "score": 3.0}))
    print(f"{make.__name__}: no weights {plain}, of another name {other}, of two names {more}")
    told = loss_of(make, None, {"another": ["mse"]})
    print(f"{make.__name__}, a metric of another name: {told}")
    as_seen = as_seen and told == [0.0751, 0.0751]
    as_seen = as_seen and plain == 0.0751 and other == 0.1502 and "must match the number" in str(more)
sys.exit(0 if as_seen else 1)
PYTHON
KERAS_BACKEND=torch "$folder/env/bin/python" weights.py
