"""
onnx.checker and onnxruntime take what we write, with our logits: run after `npm run build` by `npm run test:python`, or
alone: python test/formats/python/check_onnx.py
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

script = Path(__file__).resolve().parents[3] / "dist/test/formats/python/writeOnnxFiles.js"

with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["node", str(script), folder], check=True)
    paths = sorted(Path(folder).glob("*.onnx"))
    assert len(paths) > 10
    worst = 0.0
    for path in paths:
        onnx.checker.check_model(str(path), full_check=True)
        model = onnx.load(path)
        assert model.ir_version == 8 and [o.version for o in model.opset_import] == [17], path.name
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        case = json.loads(path.with_suffix(".json").read_text())
        pictures = np.array(case["pictures"], np.float32).reshape(-1, *case["shape"])
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        logits = session.run(None, {session.get_inputs()[0].name: pictures})[0].reshape(len(pictures), -1)
        expected = np.array(case["logits"])
        difference = np.abs(logits - expected).max() / max(1, np.abs(expected).max())
        worst = max(worst, difference)
        assert difference < 1e-5, (path.name, difference)
print(f"onnx {onnx.__version__} and onnxruntime {onnxruntime.__version__}: {len(paths)} models, worst difference {worst:.1e}")
