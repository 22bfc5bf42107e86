#!/usr/bin/env bash
# onnx 1.23.2 and onnxruntime 1.32.0: a MaxPool with ceil_mode and auto_pad VALID has two results. The operator's text gives
# ceil((in - kernel + 1) / stride) pixels a side, and so reckons onnx's own reference evaluator; onnx's own shape
# inference, and onnxruntime with it, give ceil((in - kernel) / stride) + 1. For 6 pixels, a kernel of 3 and a
# stride of 2 these are 2 and 3. The checker takes the model, in full. With pads of zero written out all agree.
#
# Expected: shapes as the operator's text has them, everywhere.
# Seen: 2 × 2 of the reference evaluator, 3 × 3 of shape inference and onnxruntime, at opsets 19 and 22.
#
# Takes a minute and 0.3 GB in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.arange(36, dtype="float32").reshape(1, 1, 6, 6)


def sides(opset, **padding):
    """The height of the output: inferred, of the reference, of onnxruntime."""
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, **padding)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, None, None])]
    graph = helper.make_graph([node], "pool", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim[2].dim_value
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return inferred, ReferenceEvaluator(model).run(None, {"x": x})[0].shape[2], session.run(None, {"x": x})[0].shape[2]


print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}; inferred, reference, onnxruntime:")
as_seen = True
for opset in (19, 22):
    valid, zeros = sides(opset, auto_pad="VALID"), sides(opset, pads=[0, 0, 0, 0])
    print(f"opset {opset}: auto_pad VALID {valid}, pads of zero {zeros}")
    as_seen = as_seen and valid == (3, 2, 3) and zeros == (3, 3, 3)
sys.exit(0 if as_seen else 1)
PYTHON
