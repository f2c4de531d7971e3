"""What goes through a network: the shapes at each layer, in the order of the calls."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class LayerTrace:
    """One call of one layer. Shapes are of its first input and of its output."""

    name: str
    type: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    num_parameters: int


def trace_shapes(model: nn.Module, *inputs, depth: int = 1) -> list[LayerTrace]:
    """Runs model(*inputs) without gradients and tells each layer's shapes, in call order.

    depth 1 means the direct children, 2 their children as well, and so on: a layer is listed when
    its call begins, before the layers inside it. The model is left as it was: no hook stays, also
    when the forward fails, and BatchNorm's running statistics do not move.
    Raises ValueError if depth is below 1.
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    calls, handles = [], []

    def begin(name, module, args):
        calls.append([name, module, tuple(args[0].shape), None])

    def end(name, module, output):
        call = next(c for c in reversed(calls) if c[0] == name and c[3] is None)
        call[3] = tuple(output.shape)

    modes = {module: module.training for module in model.modules()}
    try:
        for name, module in model.named_modules():
            if name and name.count(".") < depth:
                handles.append(module.register_forward_pre_hook(
                    lambda module, args, name=name: begin(name, module, args)))  # fmt: skip
                handles.append(module.register_forward_hook(
                    lambda module, args, output, name=name: end(name, module, output)))  # fmt: skip
        model.eval()
        with torch.no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    return [
        LayerTrace(name, type(m).__name__, shape, output, sum(p.numel() for p in m.parameters()))
        for name, m, shape, output in calls
    ]
