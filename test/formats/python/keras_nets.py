"""The nets of peerNets.ts in Keras 3 and in tf_keras, whichever `k` is. Not a check itself."""


def lenet(k):
    L = k.layers
    return [
        L.Conv2D(6, 5, activation="relu", name="conv1"),
        L.MaxPooling2D(2, name="pool1"),
        L.Conv2D(16, 5, activation="relu", name="conv2"),
        L.MaxPooling2D(2, name="pool2"),
        L.Flatten(name="flat"),
        L.Dense(120, activation="relu", name="fc1"),
        L.Dense(84, activation="relu", name="fc2"),
        L.Dense(10, name="fc3"),
    ]


def lenet1(k):
    L = k.layers
    return [
        L.Conv2D(32, 3, activation="relu", name="conv1"),
        L.MaxPooling2D(2, name="pool1"),
        L.Conv2D(64, 3, activation="relu", name="conv2"),
        L.MaxPooling2D(2, name="pool2"),
        L.Conv2D(64, 3, activation="relu", name="conv3"),
        L.Flatten(name="flat"),
        L.Dense(64, activation="relu", name="fc1"),
        L.Dense(10, name="fc2"),
    ]


def norm(k):
    L = k.layers
    return [
        L.Conv2D(8, 3, padding="same", use_bias=False, name="conv1"),
        L.BatchNormalization(name="bn1"),
        L.Activation("relu", name="relu1"),
        L.MaxPooling2D(2, name="pool1"),
        L.Conv2D(12, 3, name="conv2"),
        L.BatchNormalization(name="bn2"),
        L.Activation("relu", name="relu2"),
        L.MaxPooling2D(2, name="pool2"),
        L.Flatten(name="flat"),
        L.Dense(10, name="fc"),
    ]


layers = {"lenet": lenet, "lenet1": lenet1, "norm": norm}


def make(k, name):
    k.utils.set_random_seed(2)
    return k.Sequential([k.Input((32, 32, 3)), *layers[name](k)], name=name)
