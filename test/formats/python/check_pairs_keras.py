"""
Keras 3 opens our .keras, .h5 and .weights.h5 with our logits, tf_keras 2 our .h5, and we theirs: run after
`npm run build` by `npm run test:python`, or alone.
"""

import os
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tf_keras
from keras_nets import make
from peers import done, names, our_files, ours_reads, pictures, same


def logits(model, count=4):
    return np.asarray(model(pictures(count).transpose(0, 2, 3, 1), training=False))


def check_ours(folder):
    wanted = our_files(folder)
    for name in names:
        path = f"{folder}/{name}"
        loaded = keras.models.load_model(f"{path}.keras")
        same(f"Keras 3 {name}.keras", logits(loaded), wanted[name])
        same(f"Keras 3 {name}.h5", logits(keras.models.load_model(f"{path}.h5")), wanted[name])
        same(f"tf_keras 2 {name}.h5", logits(tf_keras.models.load_model(f"{path}.h5")), wanted[name])
        fresh = keras.models.model_from_json(loaded.to_json())
        assert np.abs(logits(fresh).ravel() - wanted[name]).max() > 1e-3
        fresh.load_weights(f"{path}.weights.h5")
        same(f"Keras 3 {name}.weights.h5", logits(fresh), wanted[name])


def moved(model):
    """Moving means and variances that are not the first ones."""
    for layer in model.layers:
        if layer.name.startswith("bn"):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma + 0.5, beta - 0.25, mean + 0.1, variance * 2])
    return model


def check_theirs(folder):
    files = []
    for name in names:
        for k, kind, endings in (
            (keras, "keras3", (".keras", ".h5", ".weights.h5")),
            (tf_keras, "keras2", (".keras", ".h5", ".weights.h5")),
        ):
            model = moved(make(k, name))
            wanted = logits(model)
            for end in endings:
                path = f"theirs_{name}_{kind}{end}"
                (model.save_weights if "weights" in end else model.save)(f"{folder}/{path}")
                says = (f"{folder}/theirs_{name}_{kind}.keras" if name == "norm" else name) if "weights" in end else None
                files.append((path, says, wanted))
    ours_reads(folder, files)


with tempfile.TemporaryDirectory() as folder:
    check_ours(folder)
    check_theirs(folder)
done(f"Keras {keras.__version__}, tf_keras {tf_keras.__version__}")
