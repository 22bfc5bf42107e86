#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: after keras.utils.set_random_seed every epoch of a fit() takes the rows of its arrays
# in the same order. The shuffle is a random operation inside a function of a tf.data.Dataset; with a global seed that
# operation begins anew with each pass over the data set. Without a seed each epoch has an order of its own. shuffle=True,
# the default, is said to shuffle before each epoch.
#
# Expected: with a seed four epochs in four orders, the same four in each run of the program.
# Seen: four orders without a seed, one with it.
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

rows, epochs = 64, 4


class Recording(keras.Sequential):
    def train_step(self, data):
        self.seen.append(data[0].numpy().ravel().astype(int))
        return super().train_step(data)


def orders_of_epochs():
    model = Recording([keras.Input((1,)), keras.layers.Dense(1)])
    model.seen = []
    model.compile(loss="mean_squared_error", run_eagerly=True)
    x = np.arange(rows, dtype="float32")[:, None]
    model.fit(x, x, batch_size=32, epochs=epochs, shuffle=True, verbose=0)
    orders = np.concatenate(model.seen).reshape(epochs, rows)
    assert (np.sort(orders) == np.arange(rows)).all()
    return orders


without = orders_of_epochs()
keras.utils.set_random_seed(1)
seeded = orders_of_epochs()
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
for name, orders in (("without a seed", without), ("with a seed", seeded)):
    print(f"{name}: {len(np.unique(orders, axis=0))} orders in {epochs} epochs; first rows of each:")
    print(orders[:, :8])
as_seen = len(np.unique(without, axis=0)) == epochs and len(np.unique(seeded, axis=0)) == 1
sys.exit(0 if as_seen else 1)
PYTHON
