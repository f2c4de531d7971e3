"""A widget for lesson 02: an image, a step t and a schedule, and what the noise has done to the image."""

from dataclasses import dataclass
from functools import cache, lru_cache

import ipywidgets
import numpy as np
import torch
from torch import Tensor

from ..data import to_display
from ..schedule import NoiseSchedule, add_noise, snr
from .base import BLUE, GREY, ORANGE, Figure, Panel, beside, labelled, row
from .charts import Chart

EDGES = np.linspace(-3, 3, 41)
SIDE = 168  # how wide an image is shown


@dataclass(frozen=True, eq=False)
class NoisePictures:
    """What the explorer shows for one choice: pictures (H, W, 3) uint8 and the numbers beside them.

    expected is sqrt(1 - alpha_bar_t), measured the standard deviation of the noise that is in x_t.
    """

    x_t: np.ndarray
    histogram: np.ndarray
    snr: np.ndarray
    factors: np.ndarray
    ratio: float
    kept: float
    expected: float
    measured: float
    mean: float
    deviation: float


def noise_pictures(
    schedule: NoiseSchedule, x_0: Tensor, noise: Tensor, t: int, missing_root: bool = False
) -> NoisePictures:
    """From a choice to the pictures: x_0 and noise (channels, height, width), t in 0 .. T.

    missing_root makes the bug of the labs: the noise times (1 - alpha_bar_t), without the square root.
    """
    alpha_bar = schedule.at(t).alpha_bar
    kept, expected = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    if missing_root:
        x_t = kept * x_0 + (1 - alpha_bar) * noise
    else:
        x_t = add_noise(schedule, x_0[None], t, noise[None])[0]
    values = x_t.flatten().double()
    measured = (values - kept * x_0.flatten().double()).std().item()
    ratio = float(snr(schedule, t))
    dots = [(kept, BLUE), ((1 - alpha_bar) if missing_root else expected, ORANGE)]
    return NoisePictures(
        x_t=to_display(x_t[None])[0],
        histogram=_histogram(values.numpy()),
        snr=_snr_chart(schedule).marked(t, [] if t == 0 else [(ratio, BLUE)]),
        factors=_factor_chart(schedule, missing_root).marked(t, dots),
        ratio=ratio, kept=kept, expected=expected, measured=measured,
        mean=values.mean().item(), deviation=values.std().item(),
    )  # fmt: skip


@cache
def _histogram_axes() -> Chart:
    return Chart("values of x_t, and the normal curve", (-3, 3), (0, 1), x_label="value")


def _histogram(values: np.ndarray) -> np.ndarray:
    chart = _histogram_axes().copy()
    counts = np.histogram(values.clip(-2.999, 2.999), EDGES)[0]
    chart.bars(EDGES, counts / len(values) / (EDGES[1] - EDGES[0]), "#9CC8E3")
    x = np.linspace(-3, 3, 80)
    chart.curve(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), ORANGE)
    return chart.pixels


@lru_cache(maxsize=16)
def _snr_chart(schedule: NoiseSchedule) -> Chart:
    """SNR along t; the marker is drawn on a copy."""
    t = torch.arange(1, schedule.num_steps + 1)
    ratios = snr(schedule, t).cpu().tolist()
    low, high = 10 ** np.floor(np.log10(max(min(ratios), 1e-6))), 10 ** np.ceil(np.log10(max(ratios)))
    chart = Chart("signal to noise ratio", (0, schedule.num_steps), (low, max(high, 10 * low)), log=True)
    chart.curve([0, schedule.num_steps], [1, 1], GREY, 1)
    chart.curve(t.tolist(), ratios, BLUE)
    return chart


@lru_cache(maxsize=16)
def _factor_chart(schedule: NoiseSchedule, missing_root: bool) -> Chart:
    """The factors of image and noise along t; with the bug also the factor that is used by mistake."""
    alpha_bar, steps = schedule.alpha_bar.cpu().numpy(), schedule.num_steps
    t = np.arange(steps + 1)
    chart = Chart("image √ᾱ (line), noise √(1−ᾱ) (dashed)", (0, steps), (0, 1))
    chart.curve(t, np.sqrt(alpha_bar), BLUE)
    chart.curve(t, np.sqrt(1 - alpha_bar), GREY if missing_root else ORANGE, dashed=True)
    if missing_root:
        chart.curve(t, 1 - alpha_bar, ORANGE)
        chart.words("1−ᾱ, the bug", steps * 0.98, 0.62, ORANGE, "rm")
    return chart


class NoiseExplorer(Panel):
    """Choose an image, t and a schedule: x_t, the noise in it, its values, and where SNR and factors stand.

    images (N, channels, height, width) in [-1, 1]; schedules maps a name to a NoiseSchedule. The noise stays
    the same while t moves, until "New noise" is pressed. Controls: .image, .t, .schedule, .missing_root,
    .new_noise. Raises ValueError if there is no image or no schedule.
    """

    fallback = (
        "Noise explorer: run this cell to choose an image, a step t and a schedule, and to see x_t, the "
        "noise in it, the histogram of its values and the signal to noise ratio."
    )

    def __init__(self, images: Tensor, schedules: dict[str, NoiseSchedule]):
        if images.ndim != 4 or len(images) == 0:
            shape = tuple(images.shape)
            raise ValueError(f"images must be (N, channels, height, width) with N >= 1, got {shape}")
        if not schedules:
            raise ValueError("schedules must hold at least one NoiseSchedule, got none")
        super().__init__()
        self.images, self.schedules, self._seed = images.cpu(), dict(schedules), 0
        first = next(iter(self.schedules))
        num_steps = self.schedules[first].num_steps
        last = len(images) - 1
        self.image = labelled(
            ipywidgets.BoundedIntText, f"image 0..{last}", value=0, min=0, max=last, width="14em"
        )
        self.t = labelled(ipywidgets.IntSlider, "step t", value=num_steps // 5, max=num_steps, width="40em")
        # Buttons, not a Dropdown: JupyterLab takes the arrow keys of a focused list for itself.
        self.schedule = labelled(
            ipywidgets.ToggleButtons, "schedule", options=list(self.schedules),
            width=f"{9 + 8 * len(self.schedules)}em",
            style={"button_width": "7em", "description_width": "8em"},
        )  # fmt: skip
        self.missing_root = ipywidgets.Checkbox(
            description="bug: forget the square root of 1 − ᾱ",
            indent=False, layout=ipywidgets.Layout(width="auto"),
        )  # fmt: skip
        self.new_noise = ipywidgets.Button(description="New noise")
        self.words, self.pictures = ipywidgets.HTML(), ipywidgets.HTML()
        self.clean, self.noise_shown = Figure("x_0, the image"), Figure("noise ε")
        self.noisy = Figure("x_t")
        self.histogram, self.snr, self.factors = (Figure(smooth=True) for _ in range(3))
        for control in (self.image, self.t, self.missing_root):
            self.watch(control, self._draw)
        self.watch(self.schedule, self._choose_schedule)
        self.click(self.new_noise, self._other_noise)
        self.fill(
            self.t,
            row(self.schedule, self.image, self.missing_root, self.new_noise, align_items="flex-end"),
            self.words,
            self.pictures,
        )
        self._draw()

    def _choose_schedule(self, change) -> None:
        num_steps = self.schedules[self.schedule.value].num_steps
        if self.t.max == num_steps:
            self._draw()
        else:
            same_share = round(self.t.value / self.t.max * num_steps)
            with self.hold(self.t, self._draw):
                self.t.value = min(same_share, self.t.max, num_steps)
                self.t.max, self.t.value = num_steps, same_share

    def _other_noise(self, button) -> None:
        self._seed += 1
        self._draw()

    def _draw(self, change=None) -> None:
        x_0, t = self.images[self.image.value], self.t.value
        schedule = self.schedules[self.schedule.value]
        generator = torch.Generator().manual_seed(self._seed)
        noise = torch.randn(x_0.shape, generator=generator).to(x_0.dtype)
        shown = noise_pictures(schedule, x_0, noise, t, self.missing_root.value)
        scale = SIDE / x_0.shape[-1]
        self.clean.show(to_display(x_0[None])[0], f"image {self.image.value} without noise", scale)
        self.noise_shown.show(to_display(noise[None])[0], "the noise alone, the same for each t", scale)
        self.noisy.caption = f"x_t at t = {t}"
        strength = f"{shown.kept:.3f} of the image and {shown.measured:.3f} of noise"
        self.noisy.show(shown.x_t, f"the noisy image at t = {t} of {schedule.num_steps}: {strength}", scale)
        self.histogram.show(
            shown.histogram,
            f"Histogram of the values of x_t beside the normal curve: mean {shown.mean:.2f}, standard "
            f"deviation {shown.deviation:.2f}", 0.5,
        )  # fmt: skip
        self.snr.show(shown.snr, f"SNR along t on a logarithmic scale, {shown.ratio:.3g} at t = {t}", 0.5)
        self.factors.show(
            shown.factors,
            f"Factors along t: image {shown.kept:.3f}, noise {shown.expected:.3f} at t = {t}", 0.5,
        )  # fmt: skip
        self.words.value = sentence(shown, t, self.missing_root.value)
        self.pictures.value = beside(self.clean, self.noise_shown, self.noisy) + beside(
            self.histogram, self.factors, self.snr
        )


def sentence(shown: NoisePictures, t: int, missing_root: bool) -> str:
    """The numbers of a choice in words, for the line between the pictures."""
    ratio = "infinite (no noise)" if t == 0 else f"{shown.ratio:.3g}"
    measured = (
        f"noise in x_t, measured: <b>{shown.measured:.4f}</b>, should be √(1−ᾱ) = <b>{shown.expected:.4f}</b>"
    )
    if missing_root and t > 0:
        measured += f", only {shown.measured / shown.expected:.1%} of that"
    return (
        f"image factor √ᾱ = <b>{shown.kept:.4f}</b> · {measured}<br>SNR {ratio} · values of x_t: mean "
        f"{shown.mean:.2f}, standard deviation {shown.deviation:.2f}"
    )
