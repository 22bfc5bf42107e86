"""
onnx.checker and onnxruntime take our .onnx with our logits, safetensors and NumPy our other files: run after
`npm run build` by `npm run test:python`, or alone.
"""

import tempfile

import numpy as np
import onnx
import onnxruntime
from peers import done, names, our_files, pictures, same
from safetensors.numpy import load_file

with tempfile.TemporaryDirectory() as folder:
    wanted = our_files(folder)
    for name in names:
        path = f"{folder}/{name}"
        onnx.checker.check_model(f"{path}.onnx", full_check=True)
        session = onnxruntime.InferenceSession(f"{path}.onnx", providers=["CPUExecutionProvider"])
        for count in (4, 1):  # the number of pictures is free
            got = session.run(None, {session.get_inputs()[0].name: pictures(4)[:count]})[0]
            same(f"onnxruntime {name}.onnx, {count} pictures", got, wanted[name][: 10 * count])
        tensors = load_file(f"{path}.safetensors")
        with np.load(f"{path}.npz", allow_pickle=False) as arrays:
            assert sorted(tensors) == sorted(arrays.files)
            assert all(np.array_equal(tensors[key], arrays[key]) for key in tensors)
done(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
