"""Makes ../keras_deep.json: deep models, and cross-entropies of what a sigmoid or softmax made, in real Keras, as `cases` of
keras_runs.py; and the loss and one step of a net that is wrong and sure. Keras 3.15.1 on TensorFlow 2.21, CPU.

    KERAS_BACKEND=tensorflow python keras_deep.py
"""

import keras
import numpy as np
from keras import layers as L
from keras_common import case_run, nine, write


def logits():
    return dict(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])


def deep():
    blocks = [layer for _ in range(12) for layer in (L.Conv2D(4, 3, padding="same"), L.BatchNormalization(), L.Activation("relu"))]
    return [*blocks, L.GlobalAveragePooling2D(), L.Dense(5)]


def residual(x):
    y = L.Conv2D(4, 3, padding="same", use_bias=False)(x)
    for _ in range(6):
        z = L.BatchNormalization()(y)
        z = L.Conv2D(4, 3, padding="same", activation="relu")(z)
        z = L.BatchNormalization()(z)
        y = L.Activation("relu")(L.Add()([y, L.Conv2D(4, 3, padding="same")(z)]))
    return L.Dense(5)(L.GlobalAveragePooling2D()(y))


def binary(**options):
    return lambda: dict(optimizer=keras.optimizers.Adam(0.05), loss=keras.losses.BinaryCrossentropy(**options))


def named(loss):
    return lambda: dict(optimizer=keras.optimizers.Adam(0.05), loss=loss)


def scaled(scale, *layers):
    return lambda: [L.Rescaling(scale), *layers]


CASES = [
    ("12 batch norms", (6, 6, 3), lambda: deep(), logits, "classes"),
    ("6 residuals", (6, 6, 3), lambda x: residual(x), logits, "classes"),
    ("sure sigmoid", (6,), scaled(255.0, L.Dense(5, activation="sigmoid")), binary(), "onehot"),
    ("sure sigmoid, smoothed", (6,), scaled(255.0, L.Dense(5, activation="sigmoid")), binary(label_smoothing=0.2), "onehot"),
    ("sure sigmoid of its own", (6,), scaled(255.0, L.Dense(5), L.Activation("sigmoid"), L.Dropout(0.0)), binary(), "onehot"),
    ("sure sigmoid in another shape", (6,), scaled(10.0, L.Dense(5, activation="sigmoid"), L.Reshape((5,))), binary(), "onehot"),
    ("sure sigmoid inside", (6,), lambda: [L.Rescaling(255.0), keras.Sequential([keras.Input((6,)), L.Dense(5, activation="sigmoid")])], binary(), "onehot"),
    ("softmax and binary", (6,), scaled(255.0, L.Dense(5, activation="softmax")), binary(), "onehot"),
    ("sigmoid and categorical", (6,), scaled(20.0, L.Dense(5, activation="sigmoid")), named("categorical_crossentropy"), "onehot"),
    ("sigmoid and sparse", (6,), scaled(20.0, L.Dense(5, activation="sigmoid")), named("sparse_categorical_crossentropy"), "classes"),
]


def sure(bias, *layers):
    keras.utils.clear_session()
    model = keras.Sequential([keras.Input((1,)), *layers])
    model.set_weights([np.zeros((1, 1)), np.full(1, bias)])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="binary_crossentropy")
    x = np.ones((1, 1))
    evaluated = model.evaluate(x, x, verbose=0)
    model.fit(x, x, verbose=0)
    return {"bias": bias, "loss": nine(evaluated), "after": nine(model.get_weights()[1][0])}


SURE = {
    "activation": lambda: [L.Dense(1, activation="sigmoid")],
    "layer": lambda: [L.Dense(1), L.Activation("sigmoid")],
    "reshaped": lambda: [L.Dense(1, activation="sigmoid"), L.Reshape((1,))],
    "rescaled": lambda: [L.Dense(1, activation="sigmoid"), L.Rescaling(1.0)],
    "hard": lambda: [L.Dense(1, activation="hard_sigmoid")],
}

write("keras_deep.json", {
    "keras": keras.__version__,
    "cases": [case_run(*case) for case in CASES],
    "sure": {name: [sure(bias, *make()) for bias in (-5, -17, -20, -200)] for name, make in SURE.items()},
})
