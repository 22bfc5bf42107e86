#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: saving a model as .h5 changes the model: every .keras file that is saved of it later
# has lost its optimizer. The writer of .h5 pops "optimizer" out of the model's own compile config instead of a copy's.
# A model with SGD, saved as .h5 and then as .keras, is loaded from the .keras with RMSprop, the default of compile(). Nothing
# is warned of where the numbers of variables agree: SGD's momenta are then taken for RMSprop's mean squares.
#
# Expected: save() leaves the model as it is, and SGD comes back.
# Seen: SGD from the .keras saved before the .h5; RMSprop, with SGD's momenta, from the .keras saved after it.
#
# Takes some minutes and 1.5 GB in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
cd "$folder"
cat >save.py <<'PYTHON'
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf

warnings.simplefilter("error", UserWarning)
x, y = np.ones((8, 4), "float32"), np.zeros((8, 1), "float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.SGD(0.02, momentum=0.9), loss=keras.losses.MeanSquaredError())
model.fit(x, y, verbose=0)
model.save("before.keras")
model.save("model.h5")
model.save("after.keras")
before, after = (keras.models.load_model(f"{name}.keras").optimizer for name in ("before", "after"))
momenta, squares = (optimizer.variables[-2].numpy().ravel() for optimizer in (model.optimizer, after))
print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}")
for name, optimizer in (("before", before), ("after", after)):
    told = optimizer.get_config()
    print(f".keras saved {name} the .h5: {told['name']}, learning rate {told['learning_rate']:.3f}")
print(f"momenta of SGD {momenta}")
print(f"{after.variables[-2].path} of the last {squares}")
as_seen = (
    isinstance(model.optimizer, keras.optimizers.SGD)
    and isinstance(before, keras.optimizers.SGD)
    and isinstance(after, keras.optimizers.RMSprop)
    and np.array_equal(momenta, squares)
)
sys.exit(0 if as_seen else 1)
PYTHON
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/env/bin/python" save.py
