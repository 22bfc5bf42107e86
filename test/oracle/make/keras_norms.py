"""Makes ../keras_norms.json: models with GroupNormalization in real Keras, as `cases` of keras_runs.py. Keras 3.15.1 on TensorFlow
2.21, CPU.

    KERAS_BACKEND=tensorflow python keras_norms.py
"""

import keras
from keras import layers as L
from keras_common import case_run, write


def logits():
    return dict(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])


def beside(x):
    y = L.Conv2D(6, 3, padding="same", use_bias=False)(x)
    y = L.GroupNormalization(groups=2)(y)
    y = L.Activation("relu")(y)
    y = L.Concatenate()([x, y])
    y = L.GroupNormalization(groups=-1, scale=False)(y)
    y = L.Activation("silu")(y)
    y = L.GlobalAveragePooling2D()(y)
    return L.Dense(5)(y)


CASES = [
    ("group norm", (5, 4, 3), lambda: [L.Conv2D(4, 2, use_bias=False), L.GroupNormalization(groups=2), L.ReLU(), L.Conv2D(6, 2),
        L.GroupNormalization(groups=3, epsilon=1e-2, center=False), L.Flatten(), L.GroupNormalization(groups=4), L.Dense(6),
        L.GroupNormalization(groups=1, axis=-1), L.Dense(5)], logits, "classes"),
    ("group norm beside what it reads", (6, 5, 2), lambda x: beside(x), logits, "classes"),
]

write("keras_norms.json", {"keras": keras.__version__, "cases": [case_run(*case) for case in CASES]})
