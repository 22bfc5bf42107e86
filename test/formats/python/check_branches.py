"""
Nets with branches in files for Keras: known blocks and random graphs, from modules, from ONNX and from lenet's Keras idiom.
Keras 3 and tf_keras 2 build such a model anew, in their own order of layers, and must give the same logits from .keras, .h5
and .weights.h5; Keras 3 saves them, and ours reads those. Run with keras and tf_keras after `npm run build`:
python test/formats/python/check_branches.py
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tf_keras

import peers

x = np.sin(np.arange(384) * 0.7).astype("float32").reshape(2, 3, 8, 8).transpose(0, 2, 3, 1)


def same(what, model, wanted):
    peers.same(what, model(x, training=False), wanted, 1e-5 * max(1, np.abs(wanted).max()))


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    peers.node("writeBranches", folder)
    for base, wanted in json.loads((folder / "logits.json").read_text()).items():
        model = keras.models.load_model(folder / f"{base}.keras", compile=False)
        same(f"Keras 3 {base}.keras", model, wanted)
        old = keras.models.load_model(folder / f"{base}.h5", compile=False)
        same(f"Keras 3 {base}.h5", old, wanted)
        older = tf_keras.models.load_model(folder / f"{base}.h5", compile=False)
        same(f"tf_keras {base}.h5", older, wanted)
        assert [layer.name for layer in older.layers] == [layer.name for layer in model.layers]
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
        model.load_weights(folder / f"{base}.weights.h5")
        same(f"Keras 3 {base}.weights.h5", model, wanted)
        for ending in ("keras", "h5"):
            model.save(folder / f"{base}.theirs.{ending}")
        model.save_weights(folder / f"{base}.theirs.weights.h5")
    peers.node("writeBranches", folder, "read")
peers.done(f"Keras {keras.__version__}, tf_keras {tf_keras.__version__}")
