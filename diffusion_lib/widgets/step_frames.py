"""From sampling steps to what the step player shows: which steps, their words, their pixels in one PNG."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..data import to_display
from ..samplers import SamplingStep

PANELS = (("x_t", "noisy image"), ("ε̂", "predicted noise"), ("x̂_0", "predicted clean image"))
NOTHING = 228  # the grey of the noise panel at t = 0, where no noise is predicted


@dataclass(frozen=True, eq=False)
class Frames:
    """Some of the steps of a run, as pictures.

    pixels (frames, samples, 3 panels, height, width, 3) uint8; for each frame its true t, how many
    network evaluations were made up to it, and its noise level sqrt(1 - alpha_bar_t). num_steps and
    num_evaluations count the whole run.
    """

    pixels: np.ndarray
    t: list[int]
    evaluations: list[int]
    noise_level: list[float]
    num_steps: int
    num_evaluations: int

    @property
    def captions(self) -> list[str]:
        """What stands under each frame: t, the noise level and the network evaluations so far."""
        return [
            caption(t, level, made, self.num_evaluations, max(self.t))
            for t, level, made in zip(self.t, self.noise_level, self.evaluations)
        ]

    @property
    def note(self) -> str:
        """Whether steps were left out, in a sentence; empty if none was."""
        if len(self.t) == self.num_steps:
            return ""
        return f"{len(self.t)} of {self.num_steps} steps are shown, evenly spaced."

    def thinned(self, count: int) -> "Frames":
        """At most `count` of these frames, evenly spaced, the first and the last among them."""
        kept = evenly(len(self.t), count)
        return Frames(
            self.pixels[kept],
            *([values[i] for i in kept] for values in (self.t, self.evaluations, self.noise_level)),
            self.num_steps,
            self.num_evaluations,
        )


def collect(steps: Iterable[SamplingStep], max_frames: int = 60) -> Frames:
    """Runs through the steps once and keeps at most max_frames of them, evenly spaced.

    Raises ValueError if there is no step, or if a step holds no images (batch, 1 or 3, height, width).
    """
    if max_frames < 2:
        raise ValueError(f"max_frames must be at least 2, got {max_frames}")
    pixels, times, evaluations, levels, made = [], [], [], [], 0
    for step in steps:
        if step.x_t.ndim != 4:
            shape = tuple(step.x_t.shape)
            raise ValueError(f"steps must hold images (batch, channels, height, width), got x_t {shape}")
        made += step.predicted_noise is not None
        pixels.append(panels(step))
        times.append(int(step.t))
        evaluations.append(made)
        levels.append((1 - step.schedule.at(int(step.t)).alpha_bar) ** 0.5)
    if not times:
        raise ValueError("there is no step to play: the sampler was already run to its end")
    every = Frames(np.stack(pixels), times, evaluations, levels, len(times), made)
    return every.thinned(max_frames)


def panels(step: SamplingStep) -> np.ndarray:
    """x_t, predicted noise and clean image, all on the scale -1 to 1: (batch, 3, height, width, 3) uint8."""
    x_t = to_display(step.x_t)
    if step.predicted_noise is None:
        noise = np.full_like(x_t, NOTHING)
    else:
        noise = to_display(step.predicted_noise)
    return np.stack((x_t, noise, to_display(step.predicted_clean)), axis=1)


def evenly(total: int, count: int) -> list[int]:
    """At most `count` of the indices 0 .. total - 1, evenly spaced, the first and the last among them."""
    if total <= count:
        return list(range(total))
    return [round(i * (total - 1) / (count - 1)) for i in range(count)]


def caption(t: int, noise_level: float, evaluations: int, of: int, highest_t: int) -> str:
    """t, the noise level and the network evaluations so far; as wide at each step, so that nothing jumps."""
    t, evaluations = _padded(t, highest_t), _padded(evaluations, of)
    return f"t = {t} · noise level √(1−ᾱ) = {noise_level:.3f} · network evaluations: {evaluations} of {of}"


def _padded(number: int, highest: int) -> str:
    return str(number).rjust(len(str(highest)), "\u2007")  # a space as wide as a digit


def picture(frames: Frames, frame: int, sample: int) -> np.ndarray:
    """What the player shows in one frame, its panels beside each other: (height, 3 width, 3) uint8."""
    return np.concatenate(list(frames.pixels[frame, sample]), axis=1)


def pack(frames: Frames, sample: int) -> bytes:
    """All frames of one sample in one PNG: frame i is the i-th row of pictures."""
    whole = np.concatenate([picture(frames, i, sample) for i in range(len(frames.t))])
    is_grey = bool((whole == whole[..., :1]).all())
    buffer = io.BytesIO()
    Image.fromarray(whole[..., 0] if is_grey else whole).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
