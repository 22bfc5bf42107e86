"""
PyTorch, safetensors and NumPy open our .pth, .safetensors and .npz with our logits, and we theirs, and what PyTorch's two
exporters write as ONNX: run after `npm run build` by `npm run test:python`, or alone.
"""

import tempfile
import warnings

import numpy as np
import onnxscript  # noqa: F401  the newer exporter needs it
import safetensors.numpy
import safetensors.torch
import torch
from peers import done, names, our_files, ours_reads, pictures, same
from torch_nets import nets

x = torch.from_numpy(pictures(4))


def logits(name, state):
    net = nets[name]()
    net.load_state_dict(state)
    with torch.no_grad():
        return net.eval()(x)


def tensors(arrays):
    return {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}


def check_ours(folder):
    wanted = our_files(folder)
    for name in names:
        path = f"{folder}/{name}"
        same(f"PyTorch {name}.pth", logits(name, torch.load(f"{path}.pth", weights_only=True)), wanted[name])
        state = safetensors.torch.load_file(f"{path}.safetensors")
        same(f"safetensors.torch {name}.safetensors", logits(name, state), wanted[name])
        state = tensors(safetensors.numpy.load_file(f"{path}.safetensors"))
        same(f"safetensors.numpy {name}.safetensors", logits(name, state), wanted[name])
        with np.load(f"{path}.npz", allow_pickle=False) as arrays:
            same(f"NumPy {name}.npz", logits(name, tensors(arrays)), wanted[name])


def export(net, path, dynamo):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), path, dynamo=dynamo, verbose=False)


def check_theirs(folder):
    files = []
    for name in names:
        torch.manual_seed(2)
        net = nets[name]()
        net(torch.from_numpy(pictures(8)))  # running statistics
        net.eval()
        with torch.no_grad():
            wanted = net(x).numpy()
        path, says = f"{folder}/theirs_{name}", f"{folder}/{name}.onnx" if name == "norm" else name
        state = net.state_dict()
        torch.save(state, f"{path}.pth")
        safetensors.torch.save_file(state, f"{path}.safetensors")
        safetensors.numpy.save_file({k: v.numpy() for k, v in state.items()}, f"{path}_numpy.safetensors")
        np.savez(f"{path}.npz", **{k: v.numpy() for k, v in state.items()})
        files += [(f"theirs_{name}{end}", says, wanted) for end in (".pth", ".safetensors", "_numpy.safetensors", ".npz")]
        for exporter, dynamo in (("script", False), ("dynamo", True)):
            export(net, f"{path}_{exporter}.onnx", dynamo)
            files.append((f"theirs_{name}_{exporter}.onnx", None, wanted))
    ours_reads(folder, files)


with tempfile.TemporaryDirectory() as folder:
    check_ours(folder)
    check_theirs(folder)
done(f"PyTorch {torch.__version__}, safetensors {safetensors.__version__}, NumPy {np.__version__}")
