"""Lesson 01's exercises: other right answers are right, and wrong ones get the sentence that helps."""

import math

import pytest
import torch
from torch import Tensor, nn

from diffusion_lib.exercises import unet as exercises
from diffusion_lib.exercises.shortcut import SAYS, ShortcutBlock
from diffusion_lib.unet import ResidualConvBlock, UnetUp


def count_on_meta(in_channels, out_channels):
    with torch.device("meta"):
        return sum(p.numel() for p in UnetUp(in_channels, out_channels).parameters())


def count_by_loop(in_channels, out_channels):
    total = 4 * in_channels * out_channels + out_channels
    for _ in range(4):
        total += 9 * out_channels**2 + 3 * out_channels
    return total


def count_as_float(in_channels, out_channels):
    return float(4 * in_channels * out_channels + 36 * out_channels**2 + 13 * out_channels)


def count_as_tensor(in_channels, out_channels):
    return torch.tensor([4 * in_channels * out_channels, 36 * out_channels**2, 13 * out_channels]).sum()


@pytest.mark.parametrize("answer", [count_on_meta, count_by_loop, count_as_float, count_as_tensor])
def test_every_right_count_is_accepted(answer):
    assert exercises.count_up.judge(answer).status == "right"


def test_the_reference_counts_what_torch_counts():
    for sizes in ((256, 64), (128, 64), (1024, 256), (7, 5)):
        assert exercises.count_parameters_of_up(*sizes) == count_on_meta(*sizes)


class OwnNames(nn.Module):
    """Another name, no bias, and the input passed on where the counts are equal."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.block = ResidualConvBlock(in_channels, out_channels)
        self.match = (
            nn.Conv2d(in_channels, out_channels, 1, bias=False) if in_channels != out_channels else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.match is None else self.match(x)
        return (self.block(x) + shortcut) * 0.5**0.5


class BareWeight(nn.Module):
    """A Parameter instead of a layer."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.block = ResidualConvBlock(in_channels, out_channels)
        if in_channels != out_channels:
            self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1) / math.sqrt(in_channels))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = nn.functional.conv2d(x, self.weight) if hasattr(self, "weight") else x
        return (self.block(x) + shortcut) / 2**0.5


class InList(nn.Module):
    """A ModuleList, empty where it is not needed; a spelling that does not start with nn."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.block = ResidualConvBlock(in_channels, out_channels)
        needed = in_channels != out_channels
        self.shortcuts = nn.ModuleList([torch.nn.Conv2d(in_channels, out_channels, (1, 1))] * needed)

    def forward(self, x: Tensor) -> Tensor:
        out = self.block(x)
        for layer in self.shortcuts:
            x = layer(x)
        return torch.stack((x, out)).sum(dim=0) / math.sqrt(2)


class Inherited(ShortcutBlock):
    """As the solution, the sum taken in two parts."""

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) / math.sqrt(2) + self.block(x) / math.sqrt(2)


def as_function(in_channels, out_channels):
    return ShortcutBlock(in_channels, out_channels)


@pytest.mark.parametrize("answer", [OwnNames, BareWeight, InList, Inherited, as_function])
def test_every_mended_shortcut_is_accepted(answer):
    verdict = exercises.mended_shortcut.judge(answer)
    assert verdict.status == "right", verdict.text


class InPlainList(InList):
    """A Python list hides its layers from the module."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels)
        layers = list(self.shortcuts)
        del self.shortcuts
        self.shortcuts = layers


class FreshWeights(ShortcutBlock):
    """The layer is there, but drawn anew at each call."""

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.shortcut, nn.Conv2d):
            self.shortcut.reset_parameters()
        return super().forward(x)


class WithoutBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


class NoGrad(ShortcutBlock):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            shortcut = self.shortcut(x)
        return (shortcut + self.block(x)) / math.sqrt(2)


class TwoLayers(ShortcutBlock):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels)
        if in_channels != out_channels:
            self.shortcut = nn.Sequential(self.shortcut, nn.BatchNorm2d(out_channels))


@pytest.mark.parametrize(
    ("answer", "says"),
    [(InPlainList, "unregistered"), (FreshWeights, "fresh"), (WithoutBlock, "block"), (NoGrad, "detached"),
     (TwoLayers, "kernel")],
)  # fmt: skip
def test_other_wrong_shortcuts(answer, says):
    verdict = exercises.mended_shortcut.judge(answer)
    assert (verdict.status, verdict.text) == ("wrong", SAYS[says])


class Stub(nn.Module):
    """As it stands in the lesson."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.block = ResidualConvBlock(in_channels, out_channels)
        ...

    def forward(self, x: Tensor) -> Tensor: ...


class TooSmall(ShortcutBlock):
    """A 3x3 shortcut without padding: the shapes do not fit, which the learner's own line tells."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 3)


def test_the_lessons_stub_and_a_crash():
    assert exercises.mended_shortcut.judge(Stub).status == "not attempted"
    verdict = exercises.mended_shortcut.judge(TooSmall)
    assert verdict.status == "crashed" and "size of tensor" in verdict.text


@pytest.mark.parametrize("answer", [16, 16.0, torch.tensor(16), "16"])
def test_sixteen_places_in_any_form(answer):
    assert exercises.places_seen.judge(answer).status == "right"


def test_the_numbers_and_letters_are_those_of_torch():
    """What the texts say is so: one window, 33 places dropped, (32, 128, 7, 7), biases at c = 0."""
    maps = torch.zeros(1, 1, 7, 7, requires_grad=True)
    nn.AvgPool2d(4)(maps).sum().backward()
    assert int((maps.grad > 0).sum()) == exercises.places_seen.reference == 49 - 33
    assert exercises.shape_of_d2.judge(" B ").status == "right"
    assert "'a', 'b', 'c', 'd'" in exercises.shape_of_d2.judge("e").text
    assert exercises.scale_without_context.judge("c").status == "right"


class Misspelt(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.block = ResidualConvBlock(in_channels, out_channels)

    def foward(self, x):
        return x


class Forgetful(ShortcutBlock):
    def forward(self, x):
        (self.shortcut(x) + self.block(x)) / math.sqrt(2)


class Stacked(ShortcutBlock):
    def forward(self, x):
        return torch.cat((self.shortcut(x), self.block(x)), dim=1)


class OnlyInEval(ShortcutBlock):
    def forward(self, x):
        return self.block(x) if self.training else super().forward(x)


class Untouched(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.block = ResidualConvBlock(in_channels, out_channels)
        ...

    def forward(self, x): ...


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (Misspelt, "wrong", "has no `forward` of its own: look at its spelling"),
        (Forgetful, "wrong", "is its `return` missing?"),
        (Stacked, "wrong", "For 3 channels in and 8 out the output has shape (2, 16, 6, 6), (2, 8, 6, 6) is"),
        (OnlyInEval, "wrong", "In training mode the output is another one"),
        (ShortcutBlock(3, 8), "wrong", "Pass the class itself, without calling it"),
        (Untouched, "not attempted", "Not attempted yet"),
    ],
)
def test_classes_that_are_not_finished(answer, status, words):
    verdict = exercises.mended_shortcut.judge(answer)
    assert verdict.status == status and words in verdict.text, verdict
