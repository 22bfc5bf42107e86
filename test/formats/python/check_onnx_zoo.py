"""
We read what PyTorch's two exporters write for nets of the kind that this project has, at several opsets, with PyTorch's
own logits: run after `npm run build` by `npm run test:python`, or alone: python test/formats/python/check_onnx_zoo.py
With `--freeze` it writes a few of the files to test/formats/fixtures/onnx_zoo.json, for tests without Python.
"""

import base64
import io
import json
import logging
import subprocess
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
root = Path(__file__).resolve().parents[3]
script = root / "dist/test/formats/python/readOnnxFiles.js"
fixtures = root / "test/formats/fixtures/onnx_zoo.json"


class Function(nn.Module):
    """A net of layers by name and what is done with them."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


def lenet(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), 2, 2)
    x = F.max_pool2d(F.relu(self.conv2(x)), 2, 2)
    x = x.view(-1, 6 * 2 * 2)
    return self.fc2(F.relu(self.fc1(x)))


def lenet1(self, x):
    x = self.pool(F.relu(self.conv1(x)))
    x = self.pool(F.relu(self.conv2(x)))
    x = F.relu(self.conv3(x))
    return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


def residual(self, x):
    x = F.relu(self.bn1(self.conv1(x)))
    y = self.bn2(self.conv2(F.relu(x)))
    return self.fc(F.adaptive_avg_pool2d(F.relu(x + y), 1).flatten(1))


def depthwise(self, x):
    x = F.relu6(self.stem(x))
    x = F.relu6(self.point(F.hardtanh(self.depth(x), -2.0, 1.5)))
    return self.fc(x.mean([2, 3]))


def dense(self, x):
    a = F.relu(self.conv1(x))
    b = F.relu(self.conv2(torch.cat([x, a], 1)))
    return self.fc(torch.cat([x, a, b], dim=1).mean((-2, -1)))


def slices(self, x):
    a, b = torch.chunk(self.conv(x), 2, dim=1)
    y = a * torch.sigmoid(b)
    c, d = torch.split(y[:, :, 1:-1, 2:], [1, 2], dim=1)
    e = torch.cat([d[:, 1:2], c.narrow(2, 0, 6)[:, :, :, :], d[:, :1]], 1)
    y = torch.flatten(e, 1)
    return self.fc(y)[:, 1:5]


def paddings(self, x):
    x = F.pad(x, (1, 2, 0, 1))
    x = F.elu(self.conv(F.pad(x, (1, 1, 1, 1), value=0.5)), 0.7)
    x = F.pad(x, (-1, 0, 0, -2))
    return self.fc(x.reshape(x.shape[0], -1))


def norms(self, x):
    x = self.norm(x)
    x = F.gelu(self.conv(x)).flatten(1)
    return self.fc(self.last(F.silu(x)))


def tokens(self, x):
    x = self.conv(x).flatten(2)
    return self.fc(self.norm(F.gelu(x, approximate="tanh")).flatten(1))


def pools(self, x):
    x = F.avg_pool2d(self.conv(x), 3, 2, ceil_mode=True)
    x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    y = F.avg_pool2d(x, 3, 2, padding=1, ceil_mode=True)
    z = F.avg_pool2d(x, 3, 2, padding=1, ceil_mode=True, count_include_pad=False)
    return self.fc(torch.flatten(torch.cat([y, z], 1), 1))


def globalMax(self, x):
    x = self.conv(x)
    a = F.adaptive_max_pool2d(x, 1).view(x.size(0), -1)
    b = torch.amax(x, dim=(2, 3))
    c = self.pool(x).squeeze(-1).squeeze(-1)
    return self.fc(torch.cat([a, b, c], 1))


def shapes(self, x):
    n, c, h, w = x.shape
    x = self.conv(x)
    a = x.view(x.size(0), x.size(1) * x.size(2) * x.size(3))
    b = x.reshape(n, 4, -1).mean(2)
    d = x.permute(0, 2, 3, 1).reshape(n, -1)
    e = nn.Flatten()(x.unflatten(1, (2, 2))[:, :, 0])
    return self.fc(torch.cat([a, b, d, e], 1))


def constants(self, x):
    x = (x - self.mean) / self.std
    x = self.conv(x)
    x = torch.clamp(x * 2 - 0.25, min=-1) / 3 + 1
    x = torch.clamp(1 - x, -0.5, 0.75)
    y = self.conv(x - x.mean((2, 3), keepdim=True))
    return self.fc(torch.flatten(x - y, 1))


def normalized(self, x):
    return constants(self, x)


def withConstants():
    net = Function(normalized, conv=nn.Conv2d(3, 3, 3, padding=1), fc=nn.Linear(192, 5))
    net.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))
    net.register_buffer("std", torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1))
    return net


def activations():
    layers = [nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.6), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Hardswish()]
    layers += [nn.Sigmoid(), nn.Tanh(), nn.ReLU6(), nn.Hardtanh(-0.8, 0.9), nn.Identity(), nn.Dropout(0.4), nn.Dropout2d(0.3)]
    convs = [nn.Conv2d(3, 3, 1) for _ in layers]
    steps = [step for pair in zip(convs, layers, strict=True) for step in pair]
    return nn.Sequential(*steps, nn.Flatten(), nn.Linear(192, 5), nn.LogSoftmax(1), nn.Softmax(dim=-1))


def conv(*sizes, **options):
    return nn.Conv2d(*sizes, **options)


zoo = {
    "lenet": Function(lenet, conv1=conv(3, 4, 3, padding=1), conv2=conv(4, 6, 3, padding=1), fc1=nn.Linear(24, 8), fc2=nn.Linear(8, 5)),
    "lenet1": Function(lenet1, conv1=conv(3, 4, 3, padding="same"), pool=nn.MaxPool2d(2), conv2=conv(4, 4, 3, padding=1),
                       conv3=conv(4, 6, 2), fc1=nn.Linear(6, 8), fc2=nn.Linear(8, 5)),
    "residual": Function(residual, conv1=conv(3, 4, 3, padding=1, bias=False), bn1=nn.BatchNorm2d(4),
                         conv2=conv(4, 4, 3, padding=1, bias=False), bn2=nn.BatchNorm2d(4), fc=nn.Linear(4, 5)),
    "depthwise": Function(depthwise, stem=conv(3, 6, 3, stride=2, padding=1),
                          depth=conv(6, 6, 3, groups=6, padding=2, dilation=2), point=conv(6, 8, 1, bias=False), fc=nn.Linear(8, 5)),
    "dense": Function(dense, conv1=conv(3, 4, 3, padding=1), conv2=conv(7, 3, 3, padding=1), fc=nn.Linear(10, 5)),
    "slices": Function(slices, conv=conv(3, 6, 3, padding=1), fc=nn.Linear(108, 6)),
    "paddings": Function(paddings, conv=conv(3, 2, 3, stride=2), fc=nn.Linear(2 * 3 * 5, 5)),
    "norms": Function(norms, norm=nn.LayerNorm([3, 8, 8]), conv=conv(3, 2, 3), last=nn.LayerNorm(72, eps=1e-3), fc=nn.Linear(72, 5)),
    "tokens": Function(tokens, conv=conv(3, 4, 4, stride=2), norm=nn.LayerNorm(9, elementwise_affine=False), fc=nn.Linear(36, 5)),
    "pools": Function(pools, conv=conv(3, 3, 3, padding=1), fc=nn.Linear(24, 5)),
    "globalMax": Function(globalMax, conv=conv(3, 4, 3), pool=nn.AdaptiveAvgPool2d(1), fc=nn.Linear(12, 5)),
    "shapes": Function(shapes, conv=conv(3, 4, 3), fc=nn.Linear(144 + 4 + 144 + 72, 5)),
    "constants": withConstants(),
    "activations": activations(),
}
opsets = [(13, True), (17, True), (18, True), (None, True), (None, False)]  # and whether the batch is open
ways = [(dynamo, *way) for dynamo in (False, True) for way in opsets]
frozen = {"slices_script_13", "slices_dynamo", "pools_script_17", "pools_dynamo", "norms_script_13", "depthwise_dynamo",
          "depthwise_script", "constants_script_13", "globalMax_dynamo", "globalMax_script_13", "tokens_script_13", "shapes_script_17"}


def export(net, path, dynamo, opset, isOpen):
    x = torch.zeros(2, 3, 8, 8)
    options = {} if opset is None else {"opset_version": opset}
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        if dynamo:
            dims = ({0: torch.export.Dim("batch")},) if isOpen else None
            torch.onnx.export(net, (x,), path, dynamo=True, dynamic_shapes=dims, external_data=False, verbose=False, **options)
        else:
            axes = {"x": {0: "N"}} if isOpen else None
            torch.onnx.export(net, (x,), path, dynamo=False, input_names=["x"], dynamic_axes=axes, **options)


def prepare(folder, wanted):
    """Files, pictures and PyTorch's logits."""
    cases = {}
    torch.manual_seed(1)
    pictures = torch.randn(2, 3, 8, 8)
    for name, net in zoo.items():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -0.5, 0.5)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
            elif isinstance(module, nn.LayerNorm) and module.elementwise_affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        net.eval()
        with torch.no_grad():
            logits = net(pictures)
        for dynamo, opset, isOpen in ways:
            case = f"{name}_{'dynamo' if dynamo else 'script'}{'' if opset is None else f'_{opset}'}{'' if isOpen else '_fixed'}"
            if not wanted(case):
                continue
            export(net, f"{folder}/{case}.onnx", dynamo, opset, isOpen)
            cases[case] = logits.tolist()
    Path(folder, "pictures.json").write_text(json.dumps(pictures.flatten().tolist()))
    return cases, pictures


def main():
    freezes = "--freeze" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        cases, pictures = prepare(folder, lambda case: case in frozen or not freezes)
        subprocess.run(["node", str(script), folder], check=True)
        found = json.loads(Path(folder, "logits.json").read_text())
        files = {case: Path(folder, f"{case}.onnx").read_bytes() for case in cases}
    failures = [f"{case}: {found[case]}" for case in cases if isinstance(found[case], str)]
    worst = 0.0
    for case, logits in cases.items():
        if isinstance(found[case], str):
            continue
        difference = (torch.tensor(found[case]).reshape(2, -1) - torch.tensor(logits)).abs().max().item()
        worst = max(worst, difference)
        if not difference < 1e-5:
            failures.append(f"{case}: the logits differ by {difference:.2g}")
    assert not failures, "\n" + "\n".join(failures)
    if freezes:
        kept = {case: {"file": base64.b64encode(files[case]).decode(), "logits": cases[case]} for case in sorted(frozen)}
        fixtures.write_text(json.dumps({"pictures": pictures.flatten().tolist(), "cases": kept}, indent=0) + "\n")
    print(f"PyTorch {torch.__version__}: {len(cases)} exports of {len(zoo)} nets are read; worst difference {worst:.1e}")


if __name__ == "__main__":
    main()
