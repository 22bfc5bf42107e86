"""
Models of lenet/keras in real Keras, and back: every small model of the oracles is trained by ours, and Keras 3 and tf_keras 2
open its files and give the same outputs; Keras 3 saves them, and ours opens those. Run with keras and tf_keras after
`npm run build`: python test/formats/python/check_models.py
Optional: no other test needs Python.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tf_keras

script = Path(__file__).resolve().parents[3] / "dist/test/formats/python/writeKerasModels.js"

# Activations that Keras 2 has no name for.
not_in_keras2 = {"everything", "groups_and_dilation"}
# Keras 3 forgets a list of axes when it reads an .h5, its own too (saving_utils.model_from_config); Keras 2 does not.
not_in_h5_of_keras3 = {"layer_norm"}


def difference(model, told):
    x = np.asarray(told["x"], "float32").reshape(told["shape"])
    return float(np.abs(np.asarray(model(x, training=False)).ravel() - np.asarray(told["y"])).max())


def same(what, value, most=1e-5):
    assert value <= most, f"{what}: {value}"
    print(f"{what}: {value:.2g}")


def write(folder):
    subprocess.run(["node", str(script), str(folder)], check=True)
    return json.loads((folder / "models.json").read_text())


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    ours = write(folder)
    for base, told in ours.items():
        if "refused" in told:
            print(base, told["refused"])
            continue
        keras.utils.clear_session()
        model = keras.models.load_model(folder / f"{base}.keras")
        same(f"Keras 3 {base}.keras", difference(model, told))
        assert len(model.losses) == (3 if base == "penalties" else 0), model.losses
        if base not in not_in_keras2:
            old = tf_keras.models.load_model(folder / f"{base}.h5", compile=False)
            same(f"tf_keras {base}.h5", difference(old, told))
            assert len(old.losses) == len(model.losses)
        if base not in not_in_h5_of_keras3:
            same(f"Keras 3 {base}.h5", difference(keras.models.load_model(folder / f"{base}.h5"), told))
            model.save(folder / f"{base}.theirs.h5")
        model.save(folder / f"{base}.theirs.keras")
        model.set_weights([np.zeros(weight.shape, "float32") for weight in model.get_weights()])
        model.load_weights(folder / f"{base}.weights.h5")
        same(f"Keras 3 {base}.weights.h5", difference(model, told))
    for file, told in write(folder).items():
        if "refused" in told:
            continue
        wanted = ours[file.split(".")[0]]
        same(f"ours {file}", float(np.abs(np.subtract(told["y"], wanted["y"])).max()))
print("all right")
