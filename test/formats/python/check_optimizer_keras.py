"""
Training goes on from our .keras in Keras 3 and from our .h5 for Keras 2 in tf_keras, and with us from theirs: run after
`npm run build` by `npm run test:python`, or alone. Every .h5 of ours loads in both and trains, where Keras 3 must compile
those for Keras 2 again, as it must its own.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tf_keras
from keras_nets import make
from peers import done, node, pictures, same

x, y = pictures(8).transpose(0, 2, 3, 1), np.arange(8)


def optimizer(optimizers, name):
    """As in trainOnwardKeras.ts."""
    return {
        "adam": lambda: optimizers.Adam(1e-3),
        "sgd": lambda: optimizers.SGD(0.05, momentum=0.9),
        "rmsprop": lambda: optimizers.RMSprop(3e-4, momentum=0.5),
    }[name]()


names = ("adam", "sgd", "rmsprop")


def compiled(k, model, name, optimizers=None):
    model.compile(optimizer(optimizers or k.optimizers, name), k.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def five_steps(model):
    losses = model.fit(x, y, batch_size=8, epochs=5, verbose=0, shuffle=False).history["loss"]
    assert losses[0] - losses[-1] > 1e-3, losses
    return losses


def needs_compile(model):
    """Keras 3.15 builds the optimizer of an .h5 with state for no variables."""
    try:
        five_steps(model)
    except ValueError as error:
        return "Unknown variable" in str(error)
    return False


def check_ours(folder):
    node("trainOnwardKeras", "write", folder)
    ours = json.loads(Path(folder, "ours.json").read_text())
    for name in names:
        path = f"{folder}/ours_{name}"
        same(f"Keras 3 goes on from our {name}.keras", five_steps(keras.models.load_model(f"{path}.keras")), ours[name])
        two = tf_keras.models.load_model(f"{path}_keras2.h5")
        assert int(two.optimizer.iterations) == 5
        same(f"tf_keras 2 goes on from our {name}.h5 for Keras 2", five_steps(two), ours[name])
        # the others begin with the first loss and a fresh optimizer
        three = keras.models.load_model(f"{path}_keras2.h5")
        assert needs_compile(three)
        fresh = five_steps(compiled(keras, three, name))
        same(f"Keras 3 trains from our {name}.h5", five_steps(keras.models.load_model(f"{path}.h5")), fresh)
        same(f"tf_keras 2 trains from our {name}.h5", five_steps(tf_keras.models.load_model(f"{path}.h5")), fresh)
        same("the first loss", fresh[:1], ours[name][:1])


def check_theirs(folder):
    wanted = {}
    for name in names:
        for k, kind, optimizers, endings in (
            (keras, "keras3", keras.optimizers, (".keras", ".h5")),
            (tf_keras, "keras2", tf_keras.optimizers, (".keras", ".h5")),
            (tf_keras, "legacy", tf_keras.optimizers.legacy, (".h5",)),  # of TensorFlow up to 2.10
        ):
            model = compiled(k, make(k, "lenet"), name, optimizers)
            five_steps(model)
            for end in endings:
                model.save(f"{folder}/theirs_{name}_{kind}{end}")
            losses = five_steps(model)
            wanted |= {f"theirs_{name}_{kind}{end}": losses for end in endings}
    assert needs_compile(keras.models.load_model(f"{folder}/theirs_adam_keras3.h5"))
    node("trainOnwardKeras", "read", folder, *wanted)
    read = json.loads(Path(folder, "read.json").read_text())
    for file, losses in wanted.items():
        same(f"we go on from {file}", read[file], losses)


with tempfile.TemporaryDirectory() as folder:
    check_ours(folder)
    check_theirs(folder)
done(f"Keras {keras.__version__}, tf_keras {tf_keras.__version__}, training goes on both ways")
