"""The noise schedule and what follows from it alone: noising, the clean image back, signal to noise.

The index is the paper's t everywhere. The arrays have length T + 1: t = 0 is the clean image
(beta[0] = 0, alpha_bar[0] = 1), t = T the noisiest one, and no index is ever negative.
"""

from __future__ import annotations

import math
from collections import namedtuple
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

AtStep = namedtuple("AtStep", "beta alpha alpha_bar")


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """How much noise each step adds: the only owner of beta, alpha and alpha_bar.

    beta_t is the variance of the noise added at step t, alpha_t = 1 - beta_t, and alpha_bar_t =
    alpha_1 * ... * alpha_t is the share of the image's variance that is left after t steps
    (DDPM, section 2). Each is a tensor of shape (T + 1,), in float64 until `.to` says otherwise.
    Make one with `linear`, `cosine` or `from_beta`, and do not write into it.
    """

    beta: Tensor
    alpha: Tensor
    alpha_bar: Tensor

    @classmethod
    def from_beta(cls, beta) -> NoiseSchedule:
        """A schedule of your own from beta_1 .. beta_T.

        Raises ValueError unless beta is one row of numbers between 0 and 1, both excluded.
        """
        beta = torch.as_tensor(beta, dtype=torch.float64)
        if beta.ndim != 1 or len(beta) == 0:
            raise ValueError(f"beta must be a row of numbers, got shape {tuple(beta.shape)}")
        if not bool(((beta > 0) & (beta < 1)).all()):
            raise ValueError(f"each beta must lie between 0 and 1, got {beta.min():g} to {beta.max():g}")
        beta = torch.cat([beta.new_zeros(1), beta])
        alpha = 1 - beta
        if alpha.prod() == 0:
            raise ValueError("beta is too large: nothing at all is left of the image at T (alpha_bar is 0)")
        # Well-known code takes exp(sum(log alpha)). A product in float64 is as good and reads like the paper.
        return cls(beta, alpha, alpha.cumprod(dim=0))

    @classmethod
    def linear(cls, num_steps=500, beta_start=1e-4, beta_end=0.02) -> NoiseSchedule:
        """beta grows in equal steps from beta_start at t = 1 to beta_end at t = T (DDPM, section 4)."""
        _check_num_steps(num_steps)
        return cls.from_beta(torch.linspace(beta_start, beta_end, num_steps, dtype=torch.float64))

    @classmethod
    def cosine(cls, num_steps=500) -> NoiseSchedule:
        """alpha_bar_t = f(t) / f(0), f(t) = cos^2((t/T + s) / (1 + s) * pi/2), s = 0.008.

        Nichol & Dhariwal 2021, eq. 17, with beta kept at or below 0.999 as they do.
        """
        _check_num_steps(num_steps)
        fraction = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
        alpha_bar = torch.cos((fraction + 0.008) / 1.008 * math.pi / 2) ** 2
        return cls.from_beta((1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999))

    @property
    def num_steps(self) -> int:
        """T, the number of noising steps."""
        return len(self.beta) - 1

    def to(self, device_or_dtype) -> NoiseSchedule:
        """The same schedule on another device or in another dtype (float32 on MPS, which has no other)."""
        arrays = (self.beta, self.alpha, self.alpha_bar)
        to_dtype = isinstance(device_or_dtype, torch.dtype)
        if not to_dtype and torch.device(device_or_dtype).type == "mps":
            arrays = tuple(array.float() for array in arrays)
        return NoiseSchedule(*(array.to(device_or_dtype) for array in arrays))

    def index(self, t, lowest: int = 0):
        """t, a step or a LongTensor (batch,) of steps, checked, and moved to where the arrays are.

        Raises ValueError unless each step lies in lowest .. T.
        """
        if isinstance(t, Tensor):
            if t.dtype != torch.long or t.ndim > 1 or t.numel() == 0:
                raise ValueError(f"t must be an int or a LongTensor (batch,), got {t.dtype} {tuple(t.shape)}")
            t = t.to(self.beta.device)
            low, high = t.min().item(), t.max().item()
        elif isinstance(t, bool) or not hasattr(t, "__index__"):
            raise ValueError(f"t must be an int or a LongTensor (batch,), got {t!r}")
        else:
            low = high = t = t.__index__()  # NumPy's integers are welcome
        if low < lowest or high > self.num_steps:
            wrong = low if low < lowest else high
            raise ValueError(f"t must lie in {lowest} .. {self.num_steps}, got {wrong}")
        return t

    def at(self, t, lowest: int = 0) -> AtStep:
        """beta, alpha and alpha_bar at t: floats for an int, tensors shaped like t for a LongTensor."""
        t = self.index(t, lowest)
        # Ten operations on tensors of one number would cost as much as a layer of a small network.
        return self._rows[t] if isinstance(t, int) else AtStep(self.beta[t], self.alpha[t], self.alpha_bar[t])

    @cached_property
    def _rows(self) -> list[AtStep]:
        arrays = (self.beta, self.alpha, self.alpha_bar)
        return [AtStep(*row) for row in zip(*(array.tolist() for array in arrays))]


def per_image(values: float | Tensor, x: Tensor) -> float | Tensor:
    """values, (batch,), shaped to multiply the images x, in their dtype and on their device; a float stays.

    What comes from the schedule is computed in its float64 and made small here, at the very end: near
    t = 1, 1 - alpha_bar would lose half its digits in float32. Raises ValueError for another length.
    """
    if isinstance(values, float):
        return values
    values = values.to(x.dtype).to(x.device)  # first the dtype: MPS has no float64
    if values.ndim == 0:
        return values
    if len(values) not in (1, len(x)):
        raise ValueError(f"t must have one entry for each of the {len(x)} images, got {len(values)}")
    return values.view(-1, *[1] * (x.ndim - 1))  # (batch, 1, 1, 1)


def add_noise(schedule: NoiseSchedule, x_0: Tensor, t, noise: Tensor) -> Tensor:
    """All of the noise of steps 1 .. t at once.

    x_t = sqrt(alpha_bar_t) * x_0 + sqrt(1 - alpha_bar_t) * noise   (DDPM, eq. 4)

    x_0 and noise (batch, ...), noise standard normal; t an int or a LongTensor (batch,), 0 .. T.
    Raises ValueError if t is out of range or the shapes differ.
    """
    alpha_bar = schedule.at(t).alpha_bar
    check_same_shape(x_0=x_0, noise=noise)
    return per_image(alpha_bar**0.5, x_0) * x_0 + per_image((1 - alpha_bar) ** 0.5, x_0) * noise


def predict_clean(schedule: NoiseSchedule, x_t: Tensor, t, noise: Tensor) -> Tensor:
    """The clean image that `noise` implies: eq. 4 solved for x_0.

    x_0 = (x_t - sqrt(1 - alpha_bar_t) * noise) / sqrt(alpha_bar_t)   (DDPM, eq. 15)

    With the noise that was added it gives x_0 back; with a network's prediction it gives the
    network's best guess. Shapes and errors as for add_noise.
    """
    alpha_bar = schedule.at(t).alpha_bar
    check_same_shape(x_t=x_t, noise=noise)
    return (x_t - per_image((1 - alpha_bar) ** 0.5, x_t) * noise) / per_image(alpha_bar**0.5, x_t)


def snr(schedule: NoiseSchedule, t) -> Tensor:
    """Signal to noise ratio alpha_bar_t / (1 - alpha_bar_t), infinite at t = 0.

    (Kingma et al. 2021, arXiv 2107.00630, section 3.1.) t an int or a LongTensor of any length.
    """
    alpha_bar = schedule.alpha_bar[schedule.index(t)]
    return alpha_bar / (1 - alpha_bar)


def check_same_shape(**tensors: Tensor) -> None:
    """Raises ValueError unless the named tensors have one shape: broadcasting would hide a slip."""
    (first, a), *others = tensors.items()
    for name, b in others:
        if a.shape != b.shape:
            raise ValueError(f"{name} must have the shape of {first}, {tuple(a.shape)}, got {tuple(b.shape)}")


def _check_num_steps(num_steps: int) -> None:
    if isinstance(num_steps, bool) or not isinstance(num_steps, int) or num_steps < 1:
        raise ValueError(f"num_steps must be a whole number of at least 1, got {num_steps!r}")
