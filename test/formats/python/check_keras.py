"""
Keras 3 and tf_keras 2 open what we write, give the same logits, and train on from our optimizer state. Run with both (and
h5py) after `npm run build`: python test/formats/python/check_keras.py
Optional: no other test needs Python.
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tf_keras

script = Path(__file__).resolve().parents[3] / "dist/test/formats/python/writeKerasSamples.js"
if len(sys.argv) > 1:
    script = Path(sys.argv[1])


def pictures(*shape):
    i = np.arange(int(np.prod(shape)))
    return ((37 * i % 101) / 101).astype("float32").reshape(shape)


def difference(model, wanted):
    got = np.asarray(model(pictures(2, *model.input_shape[1:]), training=False)).ravel()
    return float(np.abs(got - np.asarray(wanted)).max())


def train(model, steps=3):
    x = pictures(8, *model.input_shape[1:])
    return model.fit(x, np.arange(8) % 4, batch_size=8, epochs=steps, verbose=0, shuffle=False).history["loss"]


def same(what, value, most=1e-5):
    assert value <= most, f"{what}: {value}"
    print(f"{what}: {value:.2g}")


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    subprocess.run(["node", str(script), str(folder)], check=True)
    logits = json.loads((folder / "logits.json").read_text())
    for base, wanted in logits.items():
        for model in (base, f"{base}-hub"):
            loaded = keras.models.load_model(folder / f"{model}.keras")
            same(f"Keras 3 {model}.keras", difference(loaded, wanted))
            same(f"Keras 3 {model}.h5", difference(keras.models.load_model(folder / f"{model}.h5"), wanted))
            same(f"tf_keras {model}.h5", difference(tf_keras.models.load_model(folder / f"{model}.h5"), wanted))
            for layer in loaded.layers:
                for variable in layer.trainable_variables + layer.non_trainable_variables:
                    if "seed" not in variable.path:
                        variable.assign(np.zeros(variable.shape, variable.dtype))
            loaded.load_weights(folder / f"{model}.weights.h5")
            same(f"Keras 3 {model}.weights.h5", difference(loaded, wanted))

    # training goes on as from Keras's own file
    fixtures = json.loads((script.parents[4] / "test/formats/fixtures/keras.json").read_text())
    import base64, zlib

    for base in ("keras3", "sgd", "rmsprop", "adagrad", "adamw"):
        own = folder / "own.keras"
        own.write_bytes(zlib.decompress(base64.b64decode(fixtures[f"{base}.keras"])))
        wanted = train(keras.models.load_model(own))
        for end in (".h5", "-hub.h5"):  # the state stays behind (see writeKerasH5), training works
            assert np.isfinite(train(keras.models.load_model(folder / f"{base}{end}"))).all()
            if base != "adamw":  # Keras 2's default optimizers have none
                assert np.isfinite(train(tf_keras.models.load_model(folder / f"{base}{end}"))).all()
        for end in (".keras", "-hub.keras"):
            model = keras.models.load_model(folder / f"{base}{end}")
            assert int(model.optimizer.iterations) == 3
            got = train(model)
            same(f"training on from {base}{end}", float(np.abs(np.subtract(got, wanted)).max()), 1e-4)
print("all right")
