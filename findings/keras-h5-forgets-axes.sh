#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: a layer with several axes that Keras saves as .h5 comes back with its default, the last
# axis alone. load_model takes `axis` out of each layer's config, puts it back only if it is a number or a list of one, and
# drops a longer list. Softmax, UnitNormalization and a LayerNormalization without weights are then another function, and
# nothing is warned of. (One with weights fails by their shapes.) The file itself holds all axes; .keras is right.
#
# Expected: the loaded model gives what the saved one gave.
# Seen: from .h5 the axis is -1 and the outputs differ; from .keras they are the same.
#
# Takes some minutes and 1.5 GB in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
cd "$folder"
cat >axes.py <<'PYTHON'
import json
import sys
import warnings

import h5py
import keras
import numpy as np
import tensorflow as tf

warnings.simplefilter("error", UserWarning)
x = np.random.default_rng(1).random((2, 3, 4, 5), "float32")


def loaded_from(model, path):
    """The axis of the layer, and the largest difference of the outputs."""
    model.save(path)
    loaded = keras.models.load_model(path, compile=False)
    axis = loaded.layers[-1].axis
    return axis, float(np.abs(model(x).numpy() - loaded(x).numpy()).max())


print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
as_seen = True
for layer in (
    keras.layers.Softmax(axis=[1, 2]),
    keras.layers.UnitNormalization(axis=[1, 2, 3]),
    keras.layers.LayerNormalization(axis=[1, 2, 3], center=False, scale=False),
):
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    (axis_keras, by_keras), (axis_h5, by_h5) = loaded_from(model, "model.keras"), loaded_from(model, "model.h5")
    with h5py.File("model.h5") as file:
        axis_in_file = json.loads(file.attrs["model_config"])["config"]["layers"][-1]["config"]["axis"]
    print(f"{type(layer).__name__}, axis {layer.axis}, in the .h5 {axis_in_file}")
    print(f"  from .keras: axis {axis_keras}, outputs differ by {by_keras:.2g}")
    print(f"  from .h5: axis {axis_h5}, outputs differ by {by_h5:.2g}")
    as_seen = as_seen and by_keras == 0 and axis_in_file == layer.axis and axis_h5 in (-1, [-1]) and by_h5 > 0.1
sys.exit(0 if as_seen else 1)
PYTHON
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" axes.py
