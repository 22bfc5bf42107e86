"""Makes ../ops.json: for each op small inputs, attributes, PyTorch's output and gradients.

Inputs are float32 (seeded). PyTorch computes in float64 from them and the result is rounded to float32 once, so the
tolerance of a comparison is all the tested code's. Gradients are those of sum(output * outputGrad) with respect to each
float input; null where there is none. Base64 of little endian float32, int32 (labels, indices) or one byte (bool).
"""

import torch
import torch.nn.functional as F

from common import base64_of, write_json

rng = torch.Generator().manual_seed(20201023)
cases = []


def rand(*shape, low=-1.0, high=1.0):
    return torch.empty(shape).uniform_(low, high, generator=rng)


def apart(*shape, step=0.07):
    """Distinct values at least `step` apart, shuffled: no near-ties."""
    count = 1
    for size in shape:
        count *= size
    return ((torch.randperm(count, generator=rng) - count / 2) * step).to(torch.float32).reshape(shape)


def away_from_zero(*shape):
    """Magnitudes of [0.2, 1.5], both signs: no kink, no pole."""
    sign = (rand(*shape) > 0).to(torch.float32) * 2 - 1
    return rand(*shape, low=0.2, high=1.5) * sign


def packed(tensor):
    kind = {torch.float32: "float32", torch.float64: "float32", torch.int64: "int32", torch.bool: "bool"}[tensor.dtype]
    return {"shape": list(tensor.shape), "dtype": kind, "data": base64_of(tensor)}


def case(name, op, inputs, function, extra=None, grad=True, **attrs):
    """function(*inputs as float64) → output, or a dict with "output" and more. extra: names of what is more."""
    doubles = [t.to(torch.float64).requires_grad_(grad) if t.is_floating_point() else t for t in inputs]
    result = function(*doubles)
    outputs = result if isinstance(result, dict) else {"output": result}
    output = outputs.pop("output")
    entry = {"name": name, "op": op, "attrs": attrs, "inputs": [packed(t) for t in inputs], "output": packed(output)}
    if outputs:
        entry["extra"] = {key: packed(value) for key, value in outputs.items()}
    if grad and output.requires_grad:
        weights = rand(*output.shape)
        (output * weights.to(torch.float64)).sum().backward()
        entry["outputGrad"] = packed(weights)
        entry["grads"] = [packed(t.grad) if t.is_floating_point() and t.grad is not None else None for t in doubles]
    else:
        entry["outputGrad"] = None
        entry["grads"] = [None for _ in inputs]
    cases.append(entry)


def conv2d():
    for x, w, stride, padding, bias in [
        ((2, 3, 7, 6), (4, 3, 3, 3), (1, 1), (0, 0), True),
        ((2, 3, 7, 6), (4, 3, 3, 3), (1, 1), (1, 1), True),
        ((2, 2, 8, 9), (3, 2, 3, 3), (2, 2), (0, 0), True),
        ((2, 2, 8, 9), (3, 2, 3, 3), (2, 2), (1, 1), True),
        ((3, 2, 9, 8), (3, 2, 2, 3), (2, 1), (0, 1), False),
        ((1, 1, 5, 5), (2, 1, 5, 5), (1, 1), (2, 2), True),
        ((2, 3, 5, 4), (5, 3, 1, 1), (1, 1), (0, 0), False),
        ((2, 2, 7, 7), (2, 2, 1, 1), (3, 3), (0, 0), True),
        ((1, 2, 5, 6), (2, 2, 5, 6), (1, 1), (0, 0), True),
        ((1, 2, 10, 11), (2, 2, 4, 3), (3, 2), (2, 1), True),
        ((9, 3, 12, 12), (4, 3, 5, 5), (1, 1), (0, 0), True),
    ]:
        inputs = [rand(*x), rand(*w)] + ([rand(w[0])] if bias else [])
        name = f"conv2d x{list(x)} w{list(w)} stride{list(stride)} padding{list(padding)}{'' if bias else ' no bias'}"
        case(name, "conv2d", inputs, lambda a, b, c=None: F.conv2d(a, b, c, stride, padding), stride=stride, padding=padding)


def pools():
    for x, k, stride, padding in [
        ((2, 3, 6, 8), (2, 2), (2, 2), (0, 0)),
        ((2, 2, 7, 5), (2, 2), (2, 2), (0, 0)),
        ((1, 2, 7, 8), (3, 3), (2, 2), (0, 0)),
        ((1, 2, 7, 8), (3, 3), (2, 2), (1, 1)),
        ((2, 1, 6, 6), (3, 2), (1, 2), (1, 0)),
        ((2, 2, 5, 5), (2, 2), (3, 3), (0, 0)),
        ((1, 2, 6, 6), (2, 3), (1, 1), (0, 0)),
        ((1, 2, 4, 5), (4, 5), (4, 5), (0, 0)),
        ((1, 2, 4, 5), (1, 1), (2, 1), (0, 0)),
    ]:
        text = f"x{list(x)} kernelSize{list(k)} stride{list(stride)} padding{list(padding)}"
        attrs = {"kernelSize": k, "stride": stride, "padding": padding}
        case("maxPool2d " + text, "maxPool2d", [apart(*x)], lambda a: F.max_pool2d(a, k, stride, padding), **attrs)
        case("avgPool2d " + text, "avgPool2d", [rand(*x)], lambda a: F.avg_pool2d(a, k, stride, padding), **attrs, countIncludePad=True)
    case(
        "avgPool2d countIncludePad false", "avgPool2d", [rand(1, 2, 6, 7)],
        lambda a: F.avg_pool2d(a, 3, 2, 1, count_include_pad=False),
        kernelSize=(3, 3), stride=(2, 2), padding=(1, 1), countIncludePad=False,
    )
    ties = torch.tensor([[1, 1, 0, 2], [1, 1, 2, 2], [-1, 0, 3, 3], [0, -1, 3, 3]], dtype=torch.float32).reshape(1, 1, 4, 4)
    attrs = {"kernelSize": (2, 2), "stride": (2, 2), "padding": (0, 0)}
    case("maxPool2d ties: the first of the window takes the gradient", "maxPool2d", [ties], lambda a: F.max_pool2d(a, 2), **attrs)
    holes = apart(1, 1, 4, 6)
    holes[0, 0, 0, 1] = holes[0, 0, 3, 2] = holes[0, 0, 2, 4] = float("nan")
    holes[0, 0, 2, 0] = holes[0, 0, 2, 1] = holes[0, 0, 3, 0] = holes[0, 0, 3, 1] = float("-inf")
    case("maxPool2d passes NaN and -inf on", "maxPool2d", [holes], lambda a: F.max_pool2d(a, 2), **attrs)


def products():
    case("linear [4,5]", "linear", [rand(4, 5), rand(3, 5), rand(3)], lambda x, w, b: F.linear(x, w, b))
    case("linear no bias", "linear", [rand(9, 7), rand(10, 7)], lambda x, w: F.linear(x, w))
    case("linear of one", "linear", [rand(1, 33), rand(2, 33), rand(2)], lambda x, w, b: F.linear(x, w, b))
    case("linear [2,3,4]", "linear", [rand(2, 3, 4), rand(5, 4), rand(5)], lambda x, w, b: F.linear(x, w, b))
    for a, b in [((3, 4), (4, 5)), ((1, 7), (7, 1)), ((17, 33), (33, 9)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 2)), ((4,), (4, 3)), ((3, 4), (4,)), ((5,), (5,))]:
        case(f"matmul {list(a)} {list(b)}", "matmul", [rand(*a), rand(*b)], torch.matmul)


def arithmetic():
    shapes = [((3, 4), (3, 4)), ((2, 3, 4), (4,)), ((2, 3, 4), (3, 1)), ((2, 1, 4), (3, 1)), ((3, 4), ()), ((), (2, 2)), ((1,), (5,)), ((2, 3, 2, 2), (1, 3, 1, 1))]
    for op, function in [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", torch.div)]:
        for a, b in shapes:
            case(f"{op} {list(a)} {list(b)}", op, [rand(*a), away_from_zero(*b)], function)
    for op, function in [("maximum", torch.maximum), ("minimum", torch.minimum)]:
        for a, b in shapes[:4]:
            case(f"{op} {list(a)} {list(b)}", op, [apart(*a), apart(*b) + 0.02], function)
        a = torch.tensor([1.0, 2.0, 3.0, float("nan"), 1.0, float("-inf")])
        b = torch.tensor([1.0, 3.0, 2.0, 1.0, float("nan"), 0.0])
        case(f"{op}: a tie halves the gradient, NaN passes on", op, [a, b], function)
    case("square", "mul", [rand(2, 3)] * 2, torch.mul)
    for exponent in (2, 3, 0.5, -1, 0, 1.5):
        case(f"pow {exponent}", "pow", [rand(2, 4, low=0.2, high=2)], lambda a: torch.pow(a, exponent), exponent=exponent)
    case("pow of negative numbers", "pow", [away_from_zero(2, 4)], lambda a: torch.pow(a, 3), exponent=3)


def unary():
    case("exp", "exp", [rand(3, 5, low=-4, high=4)], torch.exp)
    case("exp of large and small", "exp", [torch.tensor([-100.0, -87.5, -30, 0, 30, 88, 88.5, float("inf"), float("-inf"), float("nan")])], torch.exp, grad=False)
    case("log", "log", [rand(3, 5, low=0.05, high=9)], torch.log)
    case("log of large and small", "log", [torch.tensor([1e-38, 1e-10, 1.0, 1 + 2**-20, 3e38, 0, -1, float("inf"), float("nan")])], torch.log, grad=False)
    case("sqrt", "sqrt", [rand(3, 5, low=0.05, high=9)], torch.sqrt)
    case("abs", "abs", [away_from_zero(3, 5)], torch.abs)
    case("abs at 0", "abs", [torch.tensor([0.0, -0.0, 1, -1])], torch.abs)
    case("neg", "neg", [rand(3, 5)], torch.neg)
    case("relu", "relu", [away_from_zero(2, 3, 2, 3)], F.relu)
    case("relu at 0", "relu", [torch.tensor([0.0, -0.0, 1, -1])], F.relu)
    case("relu passes NaN on", "relu", [torch.tensor([float("nan"), float("inf"), float("-inf"), 2.0])], F.relu, grad=False)
    case("tanh", "tanh", [rand(3, 5, low=-3, high=3)], torch.tanh)
    case("tanh of large and small", "tanh", [torch.tensor([-50.0, -9.1, -1e-4, 1e-4, 9.1, 50, float("inf"), float("-inf"), float("nan")])], torch.tanh)
    case("sigmoid", "sigmoid", [rand(3, 5, low=-5, high=5)], torch.sigmoid)
    case("sigmoid of large and small", "sigmoid", [torch.tensor([-100.0, -30, 30, 100, float("inf"), float("-inf"), float("nan")])], torch.sigmoid)


def reductions():
    x = (2, 3, 4)
    for op, function, make in [
        ("sum", torch.sum, lambda: rand(*x)),
        ("mean", torch.mean, lambda: rand(*x)),
        ("amax", torch.amax, lambda: apart(*x)),
    ]:
        for dim in ([0], [1], [2], [-1], [0, 2], [1, 2], [0, 1, 2]):
            for keepdim in (False, True):
                if keepdim and dim in ([1], [-1]):
                    continue
                case(
                    f"{op} dim{dim}{' keepdim' if keepdim else ''}", op, [make()],
                    lambda a: function(a, dim, keepdim=keepdim), dim=dim, keepdim=keepdim,
                )
        case(f"{op} of 4 dims", op, [apart(3, 2, 3, 5)], lambda a: function(a, [0, 2, 3]), dim=[0, 2, 3], keepdim=False)
    case("sum of everything", "sum", [rand(*x)], lambda a: a.sum())
    case("mean of everything", "mean", [rand(5, 33)], lambda a: a.mean())
    case("amax: ties share the gradient", "amax", [torch.tensor([[1.0, 3, 3], [2, 2, 2]])], lambda a: torch.amax(a, [1]), dim=[1], keepdim=False)
    for dim, keepdim in ((0, False), (1, False), (-1, False), (1, True)):
        text = f"dim {dim}{' keepdim' if keepdim else ''}"
        case("argmax " + text, "argmax", [apart(*x)], lambda a: torch.argmax(a, dim, keepdim), dim=dim, keepdim=keepdim)
        def both(a):
            values, indices = torch.max(a, dim, keepdim)
            return {"output": values, "indices": indices}
        case("max " + text, "max", [apart(*x)], both, dim=dim, keepdim=keepdim)
    case("argmax of everything", "argmax", [apart(*x)], torch.argmax)
    def ties(a):
        values, indices = torch.max(a, 1)
        return {"output": values, "indices": indices}
    tied = torch.tensor([[1.0, 3, 3], [2, 2, 2], [0, 5, 1]])
    case("max: the first of equals", "max", [tied], ties, dim=1, keepdim=False)
    case("argmax: the first of equals", "argmax", [tied], lambda a: torch.argmax(a, 1), dim=1, keepdim=False)
    holes = torch.tensor([[1.0, float("nan"), 3, 4], [float("-inf")] * 4, [2.0, 2, float("inf"), 0]])
    case("argmax: the first NaN wins", "argmax", [holes], lambda a: torch.argmax(a, 1), dim=1, keepdim=False)
    case("amax passes NaN on", "amax", [holes], lambda a: torch.amax(a, [1]), grad=False, dim=[1], keepdim=False)


def movement():
    for x, shape in [((2, 3, 4), (6, 4)), ((2, 3, 4), (4, 6)), ((2, 3, 4), (2, -1)), ((6,), (1, 2, 3)), ((1, 1), ())]:
        case(f"reshape {list(x)} to {list(shape)}", "reshape", [rand(*x)], lambda a: a.reshape(shape), shape=shape)
    for x, dims in [((2, 3), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4, 5), (0, 2, 3, 1)), ((2, 3, 4, 5), (0, 3, 1, 2)), ((2, 3, 4), (0, -1, 1))]:
        case(f"permute {list(x)} by {list(dims)}", "permute", [rand(*x)], lambda a: a.permute(dims), dims=dims)
    for x, start, end in [((2, 3, 4), 0, -1), ((2, 3, 4, 5), 1, -1), ((2, 3, 4, 5), 1, 2)]:
        case(f"flatten {list(x)} {start} {end}", "flatten", [rand(*x)], lambda a: a.flatten(start, end), startDim=start, endDim=end)
    condition = rand(2, 3, 4) > 0
    case("where", "where", [condition, rand(2, 3, 4), rand(2, 3, 4)], torch.where)
    case("where with broadcasting", "where", [condition, rand(3, 1), rand()], torch.where)
    case("where with a broadcast condition", "where", [rand(4) > 0, rand(2, 3, 4), rand(4)], torch.where)
    holes = torch.tensor([1.0, float("nan"), float("inf")])
    case("where does not look at the other side", "where", [torch.tensor([True, False, False]), holes, rand(3)], torch.where)


def probabilities():
    for x, dim in [((4, 10), 1), ((2, 3, 4), 1), ((2, 3, 4), -1), ((3, 4), 0), ((3, 1), 1)]:
        for op, function in [("softmax", F.softmax), ("logSoftmax", F.log_softmax)]:
            case(f"{op} {list(x)} dim {dim}", op, [rand(*x, low=-3, high=3)], lambda a: function(a, dim), dim=dim)
    large = torch.tensor([[1000.0, 1001, 999], [-1000, -1001, 0], [0, 0, 0]])
    case("softmax of large numbers", "softmax", [large], lambda a: F.softmax(a, 1), dim=1)
    case("logSoftmax of large numbers", "logSoftmax", [large], lambda a: F.log_softmax(a, 1), dim=1)
    for reduction in ("mean", "sum", "none"):
        labels = torch.tensor([3, 0, 9, 9, 1, 5, 2])
        case(
            f"crossEntropy {reduction}", "crossEntropy", [rand(7, 10, low=-3, high=3), labels],
            lambda a, b: F.cross_entropy(a, b, reduction=reduction), reduction=reduction,
        )
        case(
            f"crossEntropy {reduction} of large numbers", "crossEntropy", [large, torch.tensor([0, 2, 1])],
            lambda a, b: F.cross_entropy(a, b, reduction=reduction), reduction=reduction,
        )
    case("crossEntropy of one picture", "crossEntropy", [rand(1, 2), torch.tensor([1])], F.cross_entropy, reduction="mean")


def batch_norm():
    for x, momentum, eps in [((4, 3, 3, 2), 0.1, 1e-5), ((6, 5), 0.1, 1e-5), ((2, 2, 2, 2), 0.3, 1e-3), ((9, 2, 3, 3), 0.1, 1e-5)]:
        channels = x[1]
        for training in (True, False):
            def norm(a, w, b, mean, var):
                mean, var = mean.detach().clone(), var.detach().clone()
                out = F.batch_norm(a, mean, var, w, b, training, momentum, eps)
                return {"output": out, "runningMean": mean, "runningVar": var}
            inputs = [rand(*x, low=-1, high=2), rand(channels, low=0.5, high=1.5), rand(channels), rand(channels), rand(channels, low=0.5, high=2)]
            name = f"batchNorm {list(x)} {'train' if training else 'eval'} momentum {momentum} eps {eps}"
            case(name, "batchNorm", inputs, norm, training=training, momentum=momentum, eps=eps)


def activations():
    edges = torch.tensor([-100.0, -9.5, -6, -3, -1, -0.0, 0, 1, 3, 6, 9.5, 100])
    ends = torch.tensor([float("inf"), float("-inf"), float("nan")])
    for op, function, attrs in [
        ("erf", torch.erf, {}),
        ("expm1", torch.expm1, {}),
        ("leakyRelu", lambda a: F.leaky_relu(a), {}),
        ("leakyRelu", lambda a: F.leaky_relu(a, 0.2), {"slope": 0.2}),
        ("elu", lambda a: F.elu(a), {}),
        ("elu", lambda a: F.elu(a, 0.5), {"alpha": 0.5}),
        ("selu", F.selu, {}),
        ("silu", F.silu, {}),
        ("gelu", F.gelu, {}),
        ("gelu", lambda a: F.gelu(a, approximate="tanh"), {"approximate": "tanh"}),
        ("softplus", F.softplus, {}),
        ("softplus", lambda a: F.softplus(a, 2, 5), {"beta": 2, "threshold": 5}),
        ("mish", F.mish, {}),
        ("softsign", F.softsign, {}),
        ("hardTanh", F.hardtanh, {}),
        ("hardTanh", lambda a: F.hardtanh(a, -3, 6), {"low": -3, "high": 6}),
        ("relu6", F.relu6, {}),
        ("hardSigmoid", F.hardsigmoid, {}),
        ("hardSwish", F.hardswish, {}),
    ]:
        text = " ".join([op, *(f"{key} {value}" for key, value in attrs.items())])
        case(text, op, [rand(3, 2, 5, low=-4, high=4)], function, **attrs)
        case(f"{text} at its edges", op, [edges], function, **attrs)
        case(f"{text} of infinities and NaN", op, [ends], function, grad=False, **attrs)
    case("log1p", "log1p", [rand(3, 5, low=-0.9, high=9)], torch.log1p)
    case("log1p at its edges", "log1p", [torch.tensor([-2.0, -1, -1e-30, 0, 1e-7, 1e-3, 3e38, float("inf"), float("nan")])], torch.log1p, grad=False)
    case("expm1 of small numbers", "expm1", [torch.tensor([1e-30, 1e-7, -1e-7, 1e-3, -0.3, 0.4])], torch.expm1)


def parts():
    """cat, slice and pad; sizes before and after of all dimensions in their order, where PyTorch counts from the last."""
    for shapes, dim in [(((2, 3), (1, 3)), 0), (((2, 3, 4), (2, 1, 4), (2, 2, 4)), 1), (((2, 3, 4), (2, 3, 1)), -1), (((2, 2, 3, 2), (2, 2, 1, 2)), 2)]:
        case(f"cat {[list(shape) for shape in shapes]} dim {dim}", "cat", [rand(*shape) for shape in shapes], lambda *list: torch.cat(list, dim), dim=dim)
    for x, starts, ends in [((4, 3), (1, 0), (3, 2)), ((2, 3, 4), (0, 1, 2), (2, 3, 3)), ((2, 3, 4, 5), (0, 0, 1, 0), (2, 3, 4, 3))]:
        case(f"slice {list(x)} {list(starts)} to {list(ends)}", "slice", [rand(*x)], lambda a: a[tuple(slice(i, j) for i, j in zip(starts, ends))], starts=starts, ends=ends)
    for x, before, after, value in [((2, 3), (0, 1), (0, 2), 0), ((2, 3), (1, 0), (0, 0), 0.5), ((2, 1, 3, 4), (0, 0, 0, 1), (0, 0, 1, 2), -1)]:
        sizes = [size for pair in reversed(list(zip(before, after))) for size in pair]
        name = f"pad {list(x)} by {list(before)} and {list(after)} with {value}"
        case(name, "pad", [rand(*x)], lambda a: F.pad(a, sizes, value=value), before=before, after=after, value=value)


def class_losses():
    labels, holes = torch.tensor([3, 0, 4, 4, 1, 2, 2]), torch.tensor([3, -1, 4, -1, 1, 2, 0])
    for reduction in ("mean", "sum", "none"):
        for smoothing, weighted, ignored in [(0.1, False, False), (0, True, False), (0.2, True, False), (0, False, True), (0.3, True, True), (0, True, True)]:
            inputs = [rand(7, 5, low=-3, high=3), holes if ignored else labels] + ([rand(5, low=0.2, high=2)] if weighted else [])
            def loss(a, b, w=None):
                w = None if w is None else w.detach()
                return F.cross_entropy(a, b, w, ignore_index=-1, label_smoothing=smoothing, reduction=reduction)
            def likelihood(a, b, w=None):
                return F.nll_loss(a, b, None if w is None else w.detach(), ignore_index=-1, reduction=reduction)
            text = f"{reduction}{' smoothed ' + str(smoothing) if smoothing else ''}{' weighted' if weighted else ''}{' ignoring' if ignored else ''}"
            attrs = {"reduction": reduction, **({"ignoreIndex": -1} if ignored else {})}
            case(f"crossEntropyLoss {text}", "crossEntropyLoss", inputs, loss, **attrs, labelSmoothing=smoothing)
            if smoothing == 0:
                case(f"nllLoss {text}", "nllLoss", inputs, likelihood, **attrs)
        for smoothing, weighted in [(0, False), (0.2, True)]:
            inputs = [rand(4, 5, low=-3, high=3), torch.softmax(rand(4, 5), 1)] + ([rand(5, low=0.2, high=2)] if weighted else [])
            def soft(a, b, w=None):
                return F.cross_entropy(a, b, None if w is None else w.detach(), label_smoothing=smoothing, reduction=reduction)
            case(f"crossEntropyLoss of probabilities {reduction} {smoothing}", "crossEntropyLoss", inputs, soft, reduction=reduction, labelSmoothing=smoothing)
        case(f"nllLoss {reduction}", "nllLoss", [rand(7, 5), labels], lambda a, b: F.nll_loss(a, b, reduction=reduction), reduction=reduction)


def number_losses():
    for reduction in ("mean", "sum", "none"):
        for op, function, attrs in [
            ("mseLoss", F.mse_loss, {}),
            ("l1Loss", F.l1_loss, {}),
            ("smoothL1Loss", F.smooth_l1_loss, {"beta": 1}),
            ("smoothL1Loss", F.smooth_l1_loss, {"beta": 0.3}),
            ("huberLoss", F.huber_loss, {"delta": 0.4}),
        ]:
            text = " ".join([op, reduction, *(f"{key} {value}" for key, value in attrs.items())])
            case(text, op, [rand(4, 3), rand(4, 3)], lambda a, b: function(a, b, reduction=reduction, **attrs), reduction=reduction, **attrs)
        case(f"bceWithLogits {reduction}", "bceWithLogits", [rand(4, 3, low=-4, high=4), rand(4, 3, low=0)], lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction=reduction), reduction=reduction)
        case(
            f"bceWithLogits {reduction} weighted", "bceWithLogits", [rand(4, 3, low=-4, high=4), rand(4, 3, low=0), rand(3, low=0.5, high=3), rand(4, 3, low=0)],
            lambda a, b, p, w: F.binary_cross_entropy_with_logits(a, b, w.detach(), pos_weight=p.detach(), reduction=reduction), reduction=reduction,
        )
        case(f"binaryCrossEntropy {reduction}", "binaryCrossEntropy", [rand(4, 3, low=0.05, high=0.95), rand(4, 3, low=0)], lambda a, b: F.binary_cross_entropy(a, b.detach(), reduction=reduction), reduction=reduction)
    ends = torch.tensor([[0.0, -0.0, 100], [-100, 30, -30]])
    case("bceWithLogits of large numbers", "bceWithLogits", [ends, torch.tensor([[0.0, 1, 0], [0, 1, 1]])], F.binary_cross_entropy_with_logits, reduction="mean")
    case("binaryCrossEntropy of certain numbers", "binaryCrossEntropy", [torch.tensor([0.0, 1, 0, 1, 0.5]), torch.tensor([0.0, 1, 1, 0, 1])], lambda a, b: F.binary_cross_entropy(a, b.detach(), reduction="none"), reduction="none")


def norms():
    for x, shape in [((4, 6), (6,)), ((3, 2, 4, 5), (2, 4, 5)), ((2, 3, 4), (4,)), ((5,), (5,))]:
        case(f"layerNorm {list(x)} over {list(shape)}", "layerNorm", [rand(*x, high=2), rand(*shape), rand(*shape)], lambda a, w, b: F.layer_norm(a, shape, w, b), shape=shape, eps=1e-5)
    case("layerNorm alone", "layerNorm", [rand(3, 7)], lambda a: F.layer_norm(a, (7,), eps=0.01), shape=(7,), eps=0.01)
    for x, groups in [((3, 6, 2, 3), 2), ((2, 4, 3, 3), 4), ((4, 6), 3), ((2, 3, 5), 1)]:
        case(f"groupNorm {list(x)} in {groups}", "groupNorm", [rand(*x, high=2), rand(x[1]), rand(x[1])], lambda a, w, b: F.group_norm(a, groups, w, b), groups=groups, eps=1e-5)
    for x, size in [((2, 3, 4, 5), (1, 1)), ((2, 3, 4, 6), (2, 3)), ((2, 2, 5, 7), (3, 2)), ((2, 3, 4), (1, 1)), ((1, 2, 3, 3), (5, 4))]:
        case(f"adaptiveAvgPool2d {list(x)} to {list(size)}", "adaptiveAvgPool2d", [rand(*x)], lambda a: F.adaptive_avg_pool2d(a, size), size=size)


def grouped_convs():
    for x, w, attrs in [
        ((2, 4, 7, 6), (6, 2, 3, 3), {"groups": 2}),
        ((2, 3, 7, 6), (3, 1, 3, 3), {"groups": 3, "padding": (1, 1)}),
        ((1, 3, 9, 8), (6, 1, 3, 3), {"groups": 3, "stride": (2, 2), "padding": (1, 1)}),
        ((2, 5, 6, 7), (5, 1, 2, 3), {"groups": 5, "stride": (1, 3)}),
        ((2, 2, 9, 8), (3, 2, 3, 3), {"dilation": (2, 2)}),
        ((1, 2, 9, 10), (3, 2, 3, 2), {"dilation": (1, 3), "padding": (2, 3), "stride": (2, 1)}),
        ((9, 4, 8, 8), (8, 2, 3, 3), {"groups": 2, "dilation": (2, 1), "padding": (2, 1)}),
        ((2, 4, 5, 5), (4, 1, 1, 1), {"groups": 4, "padding": (2, 1), "stride": (2, 2)}),
        ((1, 16, 6, 5), (20, 4, 3, 3), {"groups": 4, "padding": (1, 1)}),
    ]:
        attrs = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, **attrs}
        text = " ".join(f"{key}{list(value) if isinstance(value, tuple) else ' ' + str(value)}" for key, value in attrs.items())
        case(f"conv2d x{list(x)} w{list(w)} {text}", "conv2d", [rand(*x), rand(*w), rand(w[0])], lambda a, b, c: F.conv2d(a, b, c, **attrs), **attrs)
    for x, w, dilation in [((2, 3, 5, 6), (4, 3, 3, 3), (1, 1)), ((2, 2, 5, 6), (3, 2, 2, 4), (1, 1)), ((1, 2, 6, 7), (2, 2, 2, 3), (3, 2)), ((2, 2, 6, 5), (2, 2, 4, 5), (1, 1))]:
        name = f"conv2d x{list(x)} w{list(w)} same dilation{list(dilation)}"
        case(name, "conv2d", [rand(*x), rand(*w), rand(w[0])], lambda a, b, c: F.conv2d(a, b, c, padding="same", dilation=dilation), stride=(1, 1), padding="same", dilation=dilation, groups=1)


def ceil_pools():
    for size, k, stride, padding in [((7, 8), 3, 2, 0), ((6, 7), 3, 2, 1), ((5, 5), 2, 2, 0), ((6, 6), (3, 2), (2, 3), (1, 1)), ((7, 4), 2, 3, 1)]:
        shape = (2, 3, *size)
        pair = lambda value: value if isinstance(value, tuple) else (value, value)
        attrs = {"kernelSize": pair(k), "stride": pair(stride), "padding": pair(padding), "ceilMode": True}
        text = f"{list(shape)} {attrs['kernelSize']} by {attrs['stride']} padding {attrs['padding']} ceilMode"
        case(f"maxPool2d {text}", "maxPool2d", [apart(*shape)], lambda a: F.max_pool2d(a, k, stride, padding, ceil_mode=True), **attrs)
        for counts in (True, False):
            pool = lambda a: F.avg_pool2d(a, k, stride, padding, ceil_mode=True, count_include_pad=counts)
            case(f"avgPool2d {text} countIncludePad {counts}", "avgPool2d", [rand(*shape)], pool, countIncludePad=counts, **attrs)


torch.set_num_threads(1)
for make in (conv2d, pools, products, arithmetic, unary, reductions, movement, probabilities, batch_norm, activations, parts, class_losses, number_losses, norms, grouped_convs, ceil_pools):
    make()
names = [entry["name"] for entry in cases]
assert len(names) == len(set(names)), "two cases of one name"
write_json("ops.json", {"torch": torch.__version__.split("+")[0], "cases": cases})
print(len(cases), "cases")
