#!/usr/bin/env bash
# Keras 3.15.1 beside tf_keras 2.21.0 (Keras 2), TensorFlow 2.21.0: a model with the activation hard_sigmoid, saved by
# Keras 2 and loaded by Keras 3, is another function. The name is the same, the slope is not: clip(x / 5 + 0.5) in Keras 2,
# clip(x / 6 + 0.5) in Keras 3. Both an .h5 and a .keras of Keras 2 load without a warning.
#
# Expected: the same outputs, or a refusal.
# Seen: outputs that differ by up to 0.083 (at -2.5 and 2.5) from both files.
#
# Takes some minutes and 1.5 GB in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1 tf-keras==2.21.0
cd "$folder"
cat >load.py <<'PYTHON'
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf
import tf_keras

x = np.array([[-3, -2.5, -2, -1, 0, 1, 2, 2.5, 3]], "float32")
model = tf_keras.Sequential([tf_keras.layers.InputLayer((9,)), tf_keras.layers.Activation("hard_sigmoid")])
old = model(x).numpy()
print(f"Keras {keras.__version__}, tf_keras {tf_keras.__version__}, TensorFlow {tf.__version__}")
print(f"tf_keras: {old.round(4)}")
as_seen = np.allclose(old, np.clip(x / 5 + 0.5, 0, 1))
for path in ("model.h5", "model.keras"):
    model.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = keras.models.load_model(path, compile=False)
    new = loaded(x).numpy()
    print(f"Keras 3 from {path}: {new.round(4)}; they differ by {np.abs(new - old).max():.3f}")
    as_seen = as_seen and np.allclose(new, np.clip(x / 6 + 0.5, 0, 1), atol=1e-6)
sys.exit(0 if as_seen else 1)
PYTHON
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" -W ignore load.py
