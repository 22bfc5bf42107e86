"""Makes ../keras_layers.json: layers, functional models and ways to weigh losses in real Keras, as `cases` of keras_runs.py.
Keras 3.15.1 on TensorFlow 2.21, CPU.

    KERAS_BACKEND=tensorflow python keras_layers.py
"""

import keras
from keras import layers as L
from keras_common import case_run, write


def logits():
    return dict(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])


def residual(x):
    y = L.Conv2D(4, 3, padding="same", use_bias=False, name="first")(x)
    y = L.BatchNormalization()(y)
    y = L.Activation("relu")(y)
    skip = L.Conv2D(4, 1)(x)
    y = L.Dropout(0.0)(y)
    y = L.Add()([y, skip])
    y = L.MaxPooling2D(2)(y)
    z = L.DepthwiseConv2D(3, padding="same", activation="silu")(y)
    y = L.Concatenate()([y, z, L.Conv2D(2, 1, activation="gelu")(y)])
    y = L.GlobalAveragePooling2D()(y)
    return L.Dense(5)(y)


def merges(x):
    a = L.Conv2D(3, 2, activation="tanh")(x)
    b = L.Conv2D(3, 2, activation="sigmoid")(x)
    c = L.Subtract()([L.Maximum()([a, b]), L.Minimum()([a, b])])
    d = L.Average()([a, b, c])
    gate = L.GlobalAveragePooling2D(keepdims=True)(d)
    e = L.Multiply(name="a_gate_whose_name_is_long_enough_to_be_cut")([d, gate])
    f = L.Concatenate(axis=1)([e, L.Cropping2D(((1, 1), (0, 0)))(b)])
    g = L.Concatenate(axis=2)([f, f])
    return L.Dense(5, activation="softmax")(L.Flatten()(g))


def shared(x):
    conv = L.Conv2D(2, 3, padding="same", activation="relu")
    norm = L.BatchNormalization(momentum=0.8)
    a = norm(conv(x))
    b = norm(conv(a))
    dense = L.Dense(5)
    return L.Add()([dense(L.Flatten()(a)), dense(L.Flatten()(b))])


def flat(x):
    a = L.Flatten()(L.Conv2D(2, 2, padding="same")(x))
    b = L.Flatten()(x)
    c = L.Add()([a, b])
    d = L.LayerNormalization()(c)
    e = L.Concatenate()([d, L.GlobalMaxPooling2D()(x)])
    return L.Dense(5)(L.Add()([L.Dense(6)(e), L.Dense(6)(d)]))


def row(x):
    return L.Dense(5)(L.Flatten()(L.Conv2D(3, 3, activation="relu")(x)))


def inside(x):
    block = keras.Sequential([L.Conv2D(2, 3, padding="same", activation="relu"), L.BatchNormalization()], name="block")
    y = L.Add()([block(x), x])
    inner = keras.Input((36 * 2,))
    head = keras.Model(inner, L.Dense(5)(L.Dense(4, activation="relu")(inner)), name="head")
    return head(L.Flatten()(y))


def everything(x):
    y = L.ZeroPadding2D(((1, 0), (0, 1)))(x)
    y = L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(y)
    y = L.LayerNormalization()(y)
    names = ["relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "hard_silu", "sigmoid", "tanh", "softmax", "log_softmax", "linear"]
    parts = [L.Conv2D(2, 1, activation=name)(y) for name in names]
    y = L.Concatenate()(parts)
    y = L.Conv2D(6, 3, groups=2, padding="same")(y)
    z = L.Conv2D(6, 3, dilation_rate=2, padding="same", activation="gelu")(y)
    y = L.Add()([y, z])
    y = L.Cropping2D(((1, 0), (0, 1)))(y)
    y = L.MaxPooling2D(2)(y)
    return L.Dense(5)(L.LayerNormalization()(L.Flatten()(y)))


def smooth():
    return dict(optimizer=keras.optimizers.SGD(0.1), loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), metrics=["accuracy"])


#  name, input, layers (or, of x, a functional model), compile arguments, kind of labels, fit arguments
CASES = [
    ("depthwise", (7, 6, 3), lambda: [L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu6"),
        L.DepthwiseConv2D(2, strides=2, padding="same", use_bias=False), L.GlobalMaxPooling2D(), L.Dense(5)], logits, "classes"),
    ("groups and dilation", (8, 9, 4), lambda: [L.Conv2D(6, 3, groups=2, padding="same", activation="swish"),
        L.Conv2D(4, 3, dilation_rate=2, activation="hard_swish"), L.Conv2D(4, (2, 3), dilation_rate=(1, 2), padding="same"),
        L.Conv2D(4, 2, dilation_rate=3, padding="same", groups=2), L.DepthwiseConv2D(2, dilation_rate=(2, 1), padding="same"),
        L.Flatten(), L.Dense(5)], logits, "classes"),
    ("edges", (5, 6, 2), lambda: [L.ZeroPadding2D(), L.Conv2D(3, 3, activation="elu"), L.ZeroPadding2D(((1, 0), (2, 1))),
        L.Cropping2D(((0, 1), (1, 2))), L.ZeroPadding2D((0, 1)), L.Cropping2D(1), L.Flatten(), L.Dense(5)], logits, "classes"),
    ("layer norm", (5, 4, 3), lambda: [L.Conv2D(4, 2, use_bias=False), L.LayerNormalization(), L.ReLU(), L.Conv2D(4, 2),
        L.LayerNormalization(axis=[1, 2, 3], scale=False), L.Flatten(), L.LayerNormalization(epsilon=1e-2), L.Dense(6),
        L.LayerNormalization(center=False), L.Dense(5)], logits, "classes"),
    ("activation layers", (6,), lambda: [L.Dense(6), L.ReLU(6.0), L.Dense(6), L.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2),
        L.Dense(6), L.LeakyReLU(), L.Dense(6), L.ELU(0.7), L.Dense(6), L.ReLU(negative_slope=0.25), L.Dense(5), L.Softmax()],
        lambda: dict(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"]), "classes"),
    ("reshape", (4, 6, 2), lambda: [L.Conv2D(3, 3, padding="same", activation="tanh"), L.Reshape((8, 9)), L.Permute((2, 1)),
        L.Reshape((6, 4, -1)), L.Conv2D(2, 3), L.Permute((3, 1, 2)), L.Flatten(), L.Reshape((4, 4)), L.Flatten(), L.Dense(5)],
        logits, "classes"),
    ("residual", (6, 5, 3), lambda x: residual(x), logits, "classes"),
    ("merges", (5, 5, 2), lambda x: merges(x), lambda: dict(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"]), "onehot"),
    ("shared layers", (6, 6, 2), lambda x: shared(x), logits, "classes"),
    ("flat lists merged", (3, 4, 2), lambda x: flat(x), logits, "classes"),
    ("a row that is functional", (6, 6, 2), lambda x: row(x), logits, "classes"),
    ("models inside", (6, 6, 2), lambda x: inside(x), logits, "classes"),
    ("models inside a row", (6, 6, 2), lambda: [keras.Sequential([keras.Input((6, 6, 2)), L.Rescaling(0.5), L.Conv2D(3, 3, activation="relu")], name="front"),
        L.MaxPooling2D(), keras.Sequential([keras.Input((2, 2, 3)), L.Flatten(), L.Dense(5, activation="softmax")], name="head")],
        lambda: dict(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"]), "classes"),
    ("everything", (8, 7, 4), lambda x: everything(x), smooth, "onehot", {"class_weight": {0: 0.5, 2: 2.0, 3: 1.5}}),
    ("class weights", (6,), lambda: [L.Dense(5, activation="softmax")],
        lambda: dict(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"]), "classes", {"class_weight": {1: 3.0, 4: 0.0}}),
    ("sample weights", (6,), lambda: [L.Dense(5, activation="tanh")], lambda: dict(optimizer="sgd", loss="mse"), "onehot",
        {"sample_weight": [(i % 5) / 2 for i in range(24)]}),
    ("binary losses", (6,), lambda: [L.Dense(5)], lambda: dict(optimizer="adam",
        loss=keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)), "onehot", {"sample_weight": [1 + i % 3 for i in range(24)]}),
    ("binary probabilities", (6,), lambda: [L.Dense(5, activation="sigmoid")], lambda: dict(optimizer="adam", loss="binary_crossentropy"), "onehot"),
    ("absolute errors", (5, 4, 2), lambda: [L.Conv2D(2, 2), L.Flatten()], lambda: dict(optimizer="sgd", loss="mae"), "flat",
        {"sample_weight": [(i % 4) / 2 for i in range(24)]}),
    ("smooth probabilities", (6,), lambda: [L.Dense(5, activation="softmax"), L.Rescaling(0.9, offset=0.02)],
        lambda: dict(optimizer="adam", loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.3)), "onehot", {"class_weight": {0: 2.0}}),
    ("penalties", (5, 4, 2), lambda: [L.Conv2D(3, 2, kernel_regularizer="l2", activation="relu"),
        L.DepthwiseConv2D(2, depthwise_regularizer=keras.regularizers.L2(0.03)), L.Flatten(),
        L.Dense(5, kernel_regularizer=keras.regularizers.L2(0.1), activation="softmax")],
        lambda: dict(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"]), "classes", {"class_weight": {0: 2.0}}),
    ("pictures flattened anew", (4, 4, 3), lambda: [L.Conv2D(3, 2), L.Flatten(), L.Reshape((3, 9)), L.Softmax(), L.Flatten()],
        lambda: dict(optimizer="adam", loss="mse"), "flat"),
]

write("keras_layers.json", {"keras": keras.__version__, "cases": [case_run(*case) for case in CASES]})
