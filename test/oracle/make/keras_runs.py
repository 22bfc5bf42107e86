"""Makes ../keras.json: what real Keras does, which ours must do too. Keras 3.15.1 on TensorFlow 2.21, CPU.

    KERAS_BACKEND=tensorflow python keras_runs.py FOLDER      FOLDER holds CIFAR-10's data_batch_1.bin

  nets       the article's two nets: losses of the first 100 batches of 32 (CIFAR-10 in its own order, no shuffle), Adam,
             from initial weights that `weights_for` makes; `slow` with a learning rate of 1e-4, `by_sgd` as
             compile('sgd') makes them; summaries at 80 and 84
             columns; configurations
  cases      small models of every layer, loss and optimizer: history, weights, evaluation, predictions, variables
  progress   what the progress bar writes, by a clock that is told
  callbacks  what callbacks do on told values

How far Keras is from itself on these very runs (largest difference of the first 10, 20, 50 and 100 losses):

    lenet   one thread, no oneDNN           2.4e-07  2.4e-07  1.1e-02  4.1e-02
    lenet   weights half a last place off   2.4e-07  2.4e-07  2.4e-07  4.1e-03
    lenet1  one thread, no oneDNN           2.4e-07  9.6e-07  8.4e-03  1.5e-01
    lenet1  weights half a last place off   2.2e-05  3.5e-03  3.5e-02  1.6e-01
    lenet1  float64                         5.8e-06  4.1e-03  2.9e-02  1.1e-01

Two convolutions next to each other that differ in the last digit fall to either side of a max-pool: from there on the runs
are two runs. With the smaller rate it takes longer to show, and with plain SGD, which does not make small gradients large:
the largest difference of 100 losses by initial weights 1, 2, 3, Keras in float32 against itself in float64, and ours:

    lenet   sgd           float64  6e-4 3e-7 3e-7    ours  3e-3 9e-4 5e-7
    lenet   adam, 1e-4    float64  5e-7 1e-3 8e-4    ours  9e-4 1e-3 8e-4
    lenet1  sgd           float64  9e-4 2e-3 4e-4    ours  2e-3 2e-3 2e-4
    lenet1  adam, 1e-4    float64  2e-3 3e-3 1e-3    ours  2e-3 4e-3 2e-3

So `by_sgd` takes weights 3, with which Keras follows itself. How each single step agrees, from Keras's own weights, is
looked at by ../../keras/python/check_steps.py.

All numbers are made by one linear congruential generator that is easy to write again: see `Numbers`.
"""

import contextlib
import io
import os
import sys
import tempfile

import numpy as np
import keras
from keras import layers, models
from keras_common import Numbers, case_run, nine, summary, weights_for, write


def lenet(in_dim=1, n_class=10):
    model = models.Sequential()
    model.add(layers.Conv2D(6, (5, 5), activation="relu", input_shape=(32, 32, in_dim)))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(16, (5, 5), activation="relu"))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Flatten())
    model.add(layers.Dense(120, activation="relu"))
    model.add(layers.Dense(84, activation="relu"))
    model.add(layers.Dense(n_class))
    return model


def lenet1(in_dim=1, n_class=10):
    model = models.Sequential()
    model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(32, 32, in_dim)))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(n_class))
    return model


def cifar(folder, count):
    records = np.fromfile(os.path.join(folder, "data_batch_1.bin"), np.uint8).reshape(-1, 3073)[:count]
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def net_runs(folder):
    images, labels = cifar(folder, 3200)
    x = (images / 255.0).astype(np.float32)
    found = {}
    for name, make in [("lenet", lenet), ("lenet1", lenet1)]:
        keras.utils.clear_session()
        model = make(3, 10)
        texts = {"80": summary(model, 80), "84": summary(model, 84)}
        config = model.get_config()
        _, slow = step_losses(make, x, labels, keras.optimizers.Adam(1e-4))
        _, by_sgd = step_losses(make, x, labels, "sgd", 3)
        keras.utils.clear_session()
        model, losses = step_losses(make, x, labels, "adam")
        evaluated = nine(model.evaluate(x[:320], labels[:320], verbose=0))
        texts["trained"] = summary(model, 80)
        compile_config = model.get_compile_config()
        found[name] = {"losses": losses, "slow": slow, "by_sgd": by_sgd, "evaluated": evaluated, "summary": texts, "config": config, "compile": compile_config}
    return found


def step_losses(make, x, labels, optimizer, weights=1):
    model = make(3, 10)
    weights_for(model, weights)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    losses = []
    for i in range(0, 3200, 32):
        model.reset_metrics()
        losses.append(nine(model.train_on_batch(x[i : i + 32], labels[i : i + 32])[0]))
    return model, losses


def sgd():
    return keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)


K = keras
#  name, input, layers, compile arguments, kind of labels
CASES = [
    ("same padding", (7, 6, 2), lambda: [layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.MaxPooling2D(3, strides=2, padding="same"), layers.Flatten(), layers.Dense(5)],
        lambda: dict(optimizer="adam", loss=K.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]), "classes"),
    ("even windows", (8, 7, 3), lambda: [layers.Conv2D(4, (2, 4), padding="same", activation="tanh"),
        layers.AveragePooling2D(2, padding="same"), layers.Conv2D(3, (2, 2), strides=(2, 1), padding="same", use_bias=False),
        layers.Flatten(), layers.Dense(6, activation="sigmoid"), layers.Dense(5, activation="softmax")],
        lambda: dict(optimizer=sgd(), loss="sparse_categorical_crossentropy",
        metrics=["accuracy", K.metrics.SparseTopKCategoricalAccuracy(k=2)]), "classes"),
    ("batch norm", (6, 6, 2), lambda: [layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.Activation("relu"),
        layers.AveragePooling2D(3, strides=1, padding="same"), layers.Flatten(), layers.BatchNormalization(scale=False, momentum=0.9),
        layers.Dense(5, activation="softmax")],
        lambda: dict(optimizer=K.optimizers.Adam(0.01, amsgrad=True), loss="categorical_crossentropy", metrics=["accuracy"]), "onehot"),
    ("global pool", (6, 5, 3), lambda: [layers.Rescaling(2.0, offset=-1.0), layers.Conv2D(6, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling2D(), layers.Dense(5)],
        lambda: dict(optimizer=K.optimizers.AdamW(0.01), loss=K.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"]), "onehot"),
    ("mean squares", (5, 4, 2), lambda: [layers.Dense(3, activation="relu"), layers.Conv2D(2, 2), layers.Flatten(), layers.Dense(5)],
        lambda: dict(optimizer="sgd", loss="mse"), "onehot"),
    ("pictures out", (5, 4, 2), lambda: [layers.Conv2D(3, 3, padding="same", activation="relu"), layers.Flatten()],
        lambda: dict(optimizer="adam", loss="mse"), "flat"),
    ("activations", (6,), lambda: [layers.Dense(5, activation=name) for name in ["leaky_relu", "elu", "selu", "silu", "gelu",
        "softplus", "softsign", "mish", "hard_sigmoid", "hard_silu", "relu6", "log_softmax"]],
        lambda: dict(optimizer=K.optimizers.RMSprop(0.002, momentum=0.5, centered=True), loss="mse"), "onehot"),
    ("adagrad", (6,), lambda: [layers.Dense(4, activation="tanh"), layers.Dense(5)],
        lambda: dict(optimizer="adagrad", loss="mse", metrics=["mean_squared_error"]), "onehot"),
    ("rmsprop", (6,), lambda: [layers.Dense(4, activation="tanh"), layers.Dense(5)], lambda: dict(loss="mse"), "onehot"),
    ("probabilities", (6,), lambda: [layers.Dense(5, activation="softmax"), layers.Rescaling(0.9, offset=0.02)],
        lambda: dict(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"]), "classes"),
]


def progress():
    from keras.src.utils import progbar

    runs = []
    values = {"accuracy": 0.51234, "loss": 0.000123456}
    #   target, verbose, [(seconds, step, values)], seconds at the end
    for target, verbose, times, end in [
        (1563, 1, [(0.5, 1), (0.52, 2), (0.6, 30), (4.0, 800), (8.5, 1563)], 9.4),
        (3, 1, [(2.0, 1), (4.0, 2), (6.0, 3)], 6.0),
        (500, 1, [(20.0, 1), (40.0, 2), (90.0, 10)], 7300.0),
        (10, 1, [(0.00001, 1), (0.06, 2)], 0.0009),
        (313, 2, [], 1.5),
        (4, 2, [], 0.0),
    ]:
        clock = [100.0]
        real, progbar.time.time = progbar.time.time, lambda: clock[0]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            bar = progbar.Progbar(target, verbose=verbose, stateless_metrics=set())
            for seconds, step in times:
                clock[0] = 100.0 + seconds
                bar.update(step, list(values.items()), finalize=False)
            clock[0] = 100.0 + end
            bar.update(target, [*values.items(), ("val_loss", float("nan"))], finalize=True)
        progbar.time.time = real
        runs.append({"target": target, "verbose": verbose, "times": times, "end": end, "text": out.getvalue()})
    return {"values": values, "runs": runs}


def told_callbacks():
    """Callbacks that are told these values of val_loss, one an epoch."""
    values = [1.0, 0.8, 0.85, 0.79995, 0.9, 0.7, 0.71, 0.72, 0.73, 0.74, 0.6]

    def model():
        m = models.Sequential([keras.Input((2,)), layers.Dense(1)])
        m.compile("sgd", "mse")
        m.optimizer.build(m.trainable_variables)
        return m

    def drive(callback, logs=lambda v: {"loss": v / 2, "val_loss": v}):
        m = model()
        callback.set_model(m)
        callback.set_params({"verbose": 0, "epochs": len(values), "steps": 1})
        m.stop_training = False
        m.set_weights([np.full((2, 1), 0.0), np.zeros(1)])
        out = io.StringIO()
        seen = []
        with contextlib.redirect_stdout(out):
            callback.on_train_begin()
            for epoch, value in enumerate(values):
                callback.on_epoch_begin(epoch)
                m.set_weights([np.full((2, 1), float(epoch)), np.zeros(1)])
                told = logs(value)
                callback.on_epoch_end(epoch, told)
                seen.append(nine(told))
                if m.stop_training:
                    break
            callback.on_train_end()
        return {"epochs": len(seen), "rate": nine(m.optimizer.learning_rate.numpy()), "logs": seen, "weight": float(m.get_weights()[0][0, 0]), "text": out.getvalue()}

    C = keras.callbacks
    found = {
        "EarlyStopping": [
            {"options": o, **drive(C.EarlyStopping(**{snake(k): v for k, v in o.items()}))}
            for o in [
                {"patience": 2, "restoreBestWeights": True, "verbose": 1},
                {"patience": 3, "minDelta": 0.01},
                {"monitor": "loss", "patience": 1, "startFromEpoch": 4, "restoreBestWeights": True},
                {"baseline": 0.5, "patience": 2, "verbose": 1},
                {"mode": "max", "patience": 4},
            ]
        ],
        "ReduceLROnPlateau": [
            {"options": o, **drive(C.ReduceLROnPlateau(**{snake(k): v for k, v in o.items()}))}
            for o in [{"patience": 2, "factor": 0.5, "verbose": 1}, {"patience": 1, "cooldown": 2, "minLr": 0.002, "verbose": 1}]
        ],
        "LearningRateScheduler": drive(C.LearningRateScheduler(lambda epoch, rate: rate * 0.9 if epoch > 2 else rate, verbose=1)),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log.csv")
        drive(C.CSVLogger(path))
        found["CSVLogger"] = {"with": open(path, newline="").read()}
        drive(C.CSVLogger(path, separator=";"), lambda v: {"loss": v, "accuracy": 1e-5 * v})
        found["CSVLogger"]["without"] = open(path, newline="").read()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net-{epoch:02d}-{val_loss:.2f}.keras")
        text = drive(C.ModelCheckpoint(path, save_best_only=True, verbose=1))["text"].replace(folder + "/", "")
        found["ModelCheckpoint"] = {"files": sorted(os.listdir(folder)), "text": text}
    return {"values": values, **found}


def snake(name):
    return "min_lr" if name == "minLr" else "".join("_" + c.lower() if c.isupper() else c for c in name)


result = {
    "keras": keras.__version__,
    "nets": net_runs(sys.argv[1]),
    "cases": [case_run(*case) for case in CASES],
    "progress": progress(),
    "callbacks": told_callbacks(),
}


write("keras.json", result)
