"""
`lenet convert` carries an optimizer in mid-training: a PyTorch module whose layers are defined in another order than they
run, wholly trained or with frozen layers, goes to Keras and back and trains on as the run that was never converted; weights
that Keras saved without their model keep theirs. Run after `npm run build` by `npm run test:python`, or alone:
python test/formats/python/check_convert.py
"""

import copy
import os
import subprocess
import tempfile
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # TensorFlow and PyTorch do not load in one process
warnings.simplefilter("ignore")

import keras
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import nn

root = Path(__file__).resolve().parents[3]
command = ["node", str(root / "dist/src/cli/main.js"), "convert"]


class Crossed(nn.Module):
    """Defined from its end to its beginning."""

    def __init__(self):
        super().__init__()
        self.fc2 = nn.Linear(6, 6)
        self.fc1 = nn.Linear(2 * 3 * 3, 6)
        self.bn = nn.BatchNorm2d(2)
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn(self.conv(x))), 2)
        return self.fc2(torch.tanh(self.fc1(torch.flatten(x, 1))))


torch.manual_seed(1)
x, y = torch.randn(8, 3, 8, 8), torch.arange(8) % 6


def steps(net, optimizer, count):
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def trained(net, frozen):
    for name in frozen:
        getattr(net, name).requires_grad_(False)
    return [p for p in net.parameters() if p.requires_grad]


def convert(*arguments):
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def close(what, got, want, most=1e-6):
    difference = float(np.abs(np.subtract(got, want)).max())
    assert difference < most, (what, got, want)
    print(f"{what}: {difference:.1e}")


makers = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
}

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for frozen in ((), ("conv", "fc1"), ("fc2",)):
        for kind, make in makers.items():
            torch.manual_seed(2)
            net = Crossed()
            optimizer = make(trained(net, frozen))
            steps(net, optimizer, 3)
            torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()}, folder / "mid.pth")
            options = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}  # its batch norm stays
            options |= {"input_names": ["x"], "dynamic_axes": {"x": {0: "N"}}}
            torch.onnx.export(net.eval(), (x,), folder / "net.onnx", dynamo=False, **options)
            net.train()
            for ending in ("keras", "h5", "weights.h5"):
                middle, back = folder / f"mid.{ending}", folder / "back.pth"
                if ending != "weights.h5" or not frozen:  # what is frozen is no part of such a file
                    assert "kept" in convert(folder / "mid.pth", middle, "--model", folder / "net.onnx")
                    model = ["--model", folder / "net.onnx"] if ending == "weights.h5" else []
                    assert "kept" in convert(middle, back, "--optimizer", *model)
                    checkpoint = torch.load(back, weights_only=True)
                    other = Crossed()
                    if ending != "weights.h5":  # the order of definition is kept
                        assert list(checkpoint["model"]) == list(other.state_dict()), list(checkpoint["model"])
                        other.load_state_dict(checkpoint["model"])
                        again = make(trained(other, frozen))
                        again.load_state_dict(checkpoint["optimizer"])
                        mine = Crossed()
                        mine.load_state_dict(net.state_dict())
                        own = make(trained(mine, frozen))
                        own.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # else it would share the lists
                        close(f"{kind}, frozen {frozen}, by .{ending}", steps(other, again, 3), steps(mine, own, 3))
            loaded = keras.models.load_model(folder / "mid.keras")
            assert int(loaded.optimizer.iterations) == 3 or kind == "sgd"  # PyTorch's SGD counts no steps
            idle = {layer.name for layer in loaded.layers if layer.weights and not layer.trainable}
            assert idle == set(frozen), idle

    # weights that Keras saved of a compiled model
    sample = np.asarray(x.permute(0, 2, 3, 1))
    for optimizer in (keras.optimizers.Adam(0.02, amsgrad=True), keras.optimizers.SGD(0.1, momentum=0.9), keras.optimizers.RMSprop(0.01)):
        keras.utils.set_random_seed(3)
        layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(6)]
        model = keras.Sequential(layers)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        fit = lambda net: net.fit(sample, np.asarray(y), batch_size=8, epochs=3, verbose=0, shuffle=False).history["loss"]
        model.save(folder / "plain.keras")
        fit(model)
        model.save_weights(folder / "w.weights.h5")
        told = convert(folder / "w.weights.h5", folder / "w.keras", "--model", folder / "plain.keras")
        assert "3 steps, kept" in told and "settings are not in the file" in told, told
        close(f"Keras's {optimizer.name} by its weights alone", fit(keras.models.load_model(folder / "w.keras")), fit(model), 1e-5)
print(f"PyTorch {torch.__version__}, Keras {keras.__version__}, onnx {onnx.__version__}: optimizers go through lenet convert")
