"""An exercise of lesson 01: the shortcut that was made anew at each call, mended."""

import inspect
import math

import torch
from torch import Tensor, nn

from ..checks import NOTHING_RETURNED, Mistake, PropertyExercise
from ..outcomes import is_untouched
from ..unet import ResidualConvBlock


class ShortcutBlock(nn.Module):
    """A ResidualConvBlock with a shortcut that is made once and trained with the rest."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.block = ResidualConvBlock(in_channels, out_channels)
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return (self.shortcut(x) + self.block(x)) / math.sqrt(2)


SAYS = {
    "block": "Keep self.block as it stands in the stub: the check compares with what it gives.",
    "fresh": "The same input gives two different outputs in eval mode: something is drawn at random in "
    "forward. Make the layer in __init__ and only call it in forward.",
    "late": "The shortcut is made at the first call of forward. An optimizer that was made before does not "
    "have its weights: make it in __init__.",
    "overwritten": "The input x is overwritten: nn.Identity gives x itself. Write a + b, not a += b.",
    "cut off": "No gradient reaches self.block: something detaches its output, so it never trains.",
    "unregistered": "The shortcut's weights are not among the parameters, so no optimizer trains them and no "
    "checkpoint holds them. Assign the layer itself to an attribute in __init__, not a list of it.",
    "extra": "For equal channel counts the input itself is the shortcut: make no layer there.",
    "forgotten": "The output is what self.block gives: the shortcut is not added.",
    "no root": "The sum is not divided by sqrt(2), so its variance grows with each such block.",
    "half": "The sum is divided by 2. Two independent parts of equal variance have a sum of twice that "
    "variance, and its square root is what brings it back.",
    "product": "The shortcut is multiplied with the block's output. It should be added.",
    "detached": "No gradient reaches the shortcut's weights: something detaches them, so they never train.",
    "kernel": "The shortcut should be one 1 x 1 convolution, with or without a bias, from in_channels to "
    "out_channels.",
    "one part": "Only one of the two parts is divided by sqrt(2). Put brackets around the sum.",
    "alone": "The output is the shortcut alone: self.block(x) is not added.",
    "conv1": "That is the library's block, whose shortcut is the output of conv1. Here a 1 x 1 convolution "
    "of the input x is wanted, made in __init__.",
    "no forward": "The class has no `forward` of its own: look at its spelling, and at its indentation. It "
    "stands beside __init__, not inside of it.",
    "instance": "Pass the class itself, without calling it: the check makes blocks of several sizes.",
    "training": "In training mode the output is another one than (shortcut + self.block(x)) / sqrt(2).",
    "values": "The output is not (shortcut + self.block(x)) / sqrt(2).",
}


def judge_shortcut(answer) -> str | None:
    """What is wrong with a class like ShortcutBlock, in a sentence, or None."""
    made = inspect.unwrap(answer)  # the frame wraps it
    if isinstance(made, nn.Module):
        return SAYS["instance"]
    forward = getattr(made, "forward", None)
    if forward is nn.Module.forward:
        return SAYS["no forward"]
    for in_channels, out_channels in ((3, 8), (8, 8), (8, 4)):
        block = answer(in_channels, out_channels).eval()
        before = {name for name, _ in block.named_parameters()}
        x = torch.randn(2, in_channels, 6, 6, generator=torch.Generator().manual_seed(1))
        as_it_was = x.clone()
        first = block(x)
        if first is None and is_untouched(forward):
            raise NotImplementedError
        if first is None:
            return NOTHING_RETURNED
        if first.shape != (2, out_channels, 6, 6):
            sizes = f"For {in_channels} channels in and {out_channels} out"
            return f"{sizes} the output has shape {tuple(first.shape)}, {(2, out_channels, 6, 6)} is wanted."
        if not isinstance(getattr(block, "block", None), ResidualConvBlock) or block.block.is_res:
            return SAYS["block"]
        if not torch.equal(x, as_it_was):
            return SAYS["overwritten"]
        if before != {name for name, _ in block.named_parameters()}:
            return SAYS["late"]
        if not torch.equal(first, block(x)):
            return SAYS["fresh"]
        extra = {name: p for name, p in block.named_parameters() if not name.startswith("block.")}
        if in_channels == out_channels and extra:
            return SAYS["extra"]
        complaint = _compare(block, x, first, extra, in_channels == out_channels)
        if complaint:
            return SAYS[complaint]
        block.train()
        if _compare(block, x, block(x), extra, in_channels == out_channels):
            return SAYS["training"]
    return None


def _compare(block: nn.Module, x: Tensor, got: Tensor, extra: dict[str, Tensor], same: bool) -> str | None:
    """The name of the complaint about one block's output and gradient, or None."""
    convolved, shortcut = block.block(x), x
    if torch.equal(got, convolved):
        return "forgotten"
    if torch.allclose(got, (block.block.conv1(x) + convolved) / math.sqrt(2), atol=1e-5):
        return "conv1"
    if not same:
        weight = [p for p in extra.values() if p.ndim == 4]
        bias = [p for p in extra.values() if p.ndim == 1]
        if not extra:
            return "unregistered"
        if (
            len(weight) != 1
            or weight[0].shape[2:] != (1, 1)
            or len(weight) + len(bias) != len(extra)
            or len(bias) > 1
        ):
            return "kernel"
        shortcut = nn.functional.conv2d(x, weight[0], bias[0] if bias else None)
    for result, complaint in (
        (shortcut + convolved, "no root"), ((shortcut + convolved) / 2, "half"),
        (shortcut + convolved / math.sqrt(2), "one part"), (shortcut / math.sqrt(2) + convolved, "one part"),
        (shortcut, "alone"), (shortcut * convolved, "product"),
        (shortcut * convolved / math.sqrt(2), "product"),
    ):  # fmt: skip
        if torch.allclose(got, result, atol=1e-5):
            return complaint
    if not torch.allclose(got, (shortcut + convolved) / math.sqrt(2), atol=1e-5):
        return "values"
    if got.requires_grad:
        got.square().sum().backward()
    if any(p.grad is None for p in block.block.parameters()):
        return "cut off"
    return "detached" if any(p.grad is None for p in extra.values()) else None


def _wrong(join, layer=None, fresh=False) -> type[nn.Module]:
    """A wrong class: another way to join x, the shortcut and self.block, or another layer as the shortcut."""

    class Wrong(ShortcutBlock):
        def __init__(self, in_channels: int, out_channels: int):
            super().__init__(in_channels, out_channels)
            if layer is not None:
                del self.shortcut  # a module's place takes modules only
                self.shortcut = layer(in_channels, out_channels)
            self.sizes = in_channels, out_channels

        def forward(self, x: Tensor) -> Tensor:
            shortcut = nn.Conv2d(*self.sizes, 1) if fresh else self.shortcut
            return join(shortcut(x), self.block(x))

    return Wrong


def _right(a: Tensor, b: Tensor) -> Tensor:
    return (a + b) / math.sqrt(2)


def _hidden(in_channels: int, out_channels: int):
    layer = nn.Conv2d(in_channels, out_channels, 1)
    return (lambda x: x) if in_channels == out_channels else lambda x: layer(x)  # a function, no submodule


def _with_kernel(size: int):
    def layer(in_channels: int, out_channels: int) -> nn.Module:
        same = in_channels == out_channels
        return nn.Identity() if same else nn.Conv2d(in_channels, out_channels, size, padding=size // 2)

    return layer


class _AroundConv2(ShortcutBlock):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels)
        del self.shortcut

    def forward(self, x: Tensor) -> Tensor:
        return _right(self.block.conv1(x), self.block(x))


class _AtFirstCall(ShortcutBlock):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels)
        del self.shortcut
        self.sizes = in_channels, out_channels

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "shortcut"):
            self.shortcut = _with_kernel(1)(*self.sizes)
        return _right(self.shortcut(x), self.block(x))


mended_shortcut = PropertyExercise(
    "unet.mended_shortcut",
    ShortcutBlock,
    judge_shortcut,
    difficulty=3,
    minutes=10,
    hints=(
        "A layer has to exist before training begins. Where does a module make its layers?",
        "In __init__, as an attribute: self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if the counts "
        "differ, and nn.Identity() if they don't.",
        "Then forward is one line: the sum of self.shortcut(x) and self.block(x), over the root of 2.",
    ),
    right="Made once, the same output twice, a parameter that gradients reach, and the sum over sqrt(2).",
    mistakes=(
        Mistake(_wrong(_right, fresh=True), SAYS["fresh"]),
        Mistake(_wrong(_right, layer=_hidden), SAYS["unregistered"]),
        Mistake(_wrong(_right, layer=lambda i, o: nn.Conv2d(i, o, 1)), SAYS["extra"]),
        Mistake(_wrong(lambda a, b: b), SAYS["forgotten"]),
        Mistake(_wrong(lambda a, b: a + b), SAYS["no root"]),
        Mistake(_wrong(lambda a, b: (a + b) / 2), SAYS["half"]),
        Mistake(_wrong(lambda a, b: a + b / math.sqrt(2)), SAYS["one part"]),
        Mistake(_wrong(lambda a, b: a), SAYS["alone"]),
        Mistake(_AroundConv2, SAYS["conv1"]),
        Mistake(_AtFirstCall, SAYS["late"]),
        Mistake(_wrong(lambda a, b: a.add_(b) / math.sqrt(2)), SAYS["overwritten"]),
        Mistake(_wrong(lambda a, b: _right(a, b.detach())), SAYS["cut off"]),
        Mistake(_wrong(lambda a, b: a * b), SAYS["product"]),
        Mistake(_wrong(lambda a, b: _right(a.detach(), b)), SAYS["detached"]),
        Mistake(_wrong(_right, layer=_with_kernel(3)), SAYS["kernel"]),
        Mistake(_wrong(lambda a, b: (a - b) / math.sqrt(2)), SAYS["values"]),
    ),
)
