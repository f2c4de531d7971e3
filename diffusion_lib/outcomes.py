"""What a call of a learner's function gave, and how that differs from what is wanted, in a sentence."""

import copy
import inspect
import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


class Outcome:
    """What one call function(**case) gave: a value or an error, and which arguments it changed."""

    def __init__(self, function: Callable, case: dict):
        self.error, self.value, self.where = None, None, ""
        before = copy.deepcopy({name: value for name, value in case.items() if isinstance(value, Tensor)})
        torch.default_generator.manual_seed(0)  # mistakes that draw from it are then known again
        try:
            self.value = _call(function, case)
        except Exception as error:
            self.error, self.where = error, where_it_stopped(error, function)
        self.changed = [name for name in before if not _equal(before[name], case[name], 0)]

    def differs(self, got: "Outcome", tolerance: float) -> str | None:
        """How `got` differs from this outcome, in a sentence; None if it does not."""
        if got.error is not None or self.error is not None:
            return (
                None if type(got.error) is type(self.error) else got.where or "No error where one was wanted."
            )
        if got.changed != self.changed:
            names = ", ".join(got.changed or self.changed)
            return f"{names} is changed on the way, and the caller still needs it: work on new tensors."
        return _difference(self.value, got.value, tolerance)


def _call(function: Callable, case: dict):
    """function(**case); by position where the names of the parameters are the learner's own."""
    try:
        inspect.signature(function).bind(**case)
    except (TypeError, ValueError):  # ValueError: a function of C has no signature
        return function(*case.values())
    return function(**case)


def _no_text(): ...


def _with_text():
    """What it should do."""


_IDLE = {function.__code__.co_code for function in (_no_text, _with_text, lambda: None, lambda: ...)}


def is_untouched(function) -> bool:
    """Whether a function still does nothing at all; what is no plain function counts as untouched."""
    code = getattr(function, "__code__", None)
    return code is None or code.co_code in _IDLE


def _difference(wanted, got, tolerance: float) -> str | None:
    if isinstance(wanted, Tensor):
        if not isinstance(got, Tensor):
            return f"A tensor of shape {tuple(wanted.shape)} is wanted, got {type(got).__name__}."
        for name in ("shape", "dtype", "device"):
            a, b = getattr(wanted, name), getattr(got, name)
            if a != b:
                a, b = (tuple(a), tuple(b)) if name == "shape" else (a, b)
                return f"Wrong {name}: {b}, {a} is wanted."
        if wanted.requires_grad and not got.requires_grad and _equal(wanted, got, tolerance):
            return "The values are right, but the result carries no gradient: something detaches it."
    elif isinstance(wanted, (list, tuple)):
        if not isinstance(got, (list, tuple)):
            return f"A {type(wanted).__name__} of {len(wanted)} is wanted, got {type(got).__name__}."
        if len(got) != len(wanted):
            return f"Wrong length: {len(got)}, {len(wanted)} is wanted."
    if _equal(wanted, got, tolerance):
        return None
    if isinstance(wanted, Tensor) and wanted.is_floating_point() and wanted.numel() > 1:
        worst = int((wanted - got).abs().flatten().nan_to_num(torch.inf).argmax())
        a, b = wanted.flatten()[worst].item(), got.flatten()[worst].item()
        digits = next((n for n in range(4, 17) if f"{a:.{n}g}" != f"{b:.{n}g}"), 17)
        return f"Wrong values: where they differ most, {b:.{digits}g} stands and {a:.{digits}g} is wanted."
    text = f"Wrong value: {_short(got)}, {_short(wanted)} is wanted."
    if isinstance(wanted, (list, tuple)):
        at = next(i for i, (a, b) in enumerate(zip(wanted, got)) if not _equal(a, b, tolerance))
        text += f" The first that differs, at [{at}]: {_short(got[at])} for {_short(wanted[at])}."
    return text


def _equal(a, b, tolerance: float) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
            return False
        if not a.is_floating_point():
            return torch.equal(a, b)
        finite = a[a.isfinite()]
        scale = max(1.0, finite.abs().max().item()) if finite.numel() else 1.0
        return torch.allclose(a.double(), b.double(), rtol=0, atol=tolerance * scale, equal_nan=True)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_equal(x, y, tolerance) for x, y in zip(a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float, Tensor, np.number)):
        return bool(abs(float(a) - float(b)) <= tolerance * max(1.0, abs(a)))
    return type(a) is type(b) and bool(a == b)


def describe(case: dict) -> str:
    """The arguments of a call in words."""
    return ", ".join(f"{name} = {_short(value)}" for name, value in case.items())


def _short(value) -> str:
    if isinstance(value, Tensor) and value.numel() > 6:
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if isinstance(value, Tensor):
        return f"{[round(x, 4) if isinstance(x, float) else x for x in value.flatten().tolist()]}"
    value = value.item() if isinstance(value, np.number) else value
    if value is None:
        return "None"
    text = (
        repr(value)
        if isinstance(value, (int, float, str, bool, list, tuple))
        else f"a {type(value).__name__}"
    )
    return text if len(text) <= 80 else text[:77] + "..."


def one_line(error: Exception) -> str:
    """The kind of error and the first line of its message."""
    text = (str(error).strip().splitlines() or ["without a message"])[0]
    return f"{type(error).__name__}: {text}"


def where_it_stopped(error: Exception, function: Callable) -> str:
    """The error and the learner's own line that it came from."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None) or getattr(
        getattr(function, "__init__", None), "__code__", None
    )
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    line = f" in the line `{own[-1].line}`" if own and own[-1].line else ""
    return f"It stopped with {one_line(error)}{line}."


@contextmanager
def same_random_state() -> Iterator[None]:
    """The random state of torch, NumPy and Python afterwards is what it was before."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
