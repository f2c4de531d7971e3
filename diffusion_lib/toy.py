"""A diffusion model that needs no training: when all the data is known, the best denoiser is a formula.

A cloud of points in the plane shows with arrows what sixteen-pixel sprites, which are points in a space of
768 dimensions, can only show as pictures. Everything here works for both.
"""

import math

import torch
from torch import Tensor

from .schedule import NoiseSchedule, per_image, predict_clean


def spiral(num_points: int = 300) -> Tensor:
    """Points along a spiral of two arms, (num_points, 2), mean 0 and within [-1, 1]."""
    angle = torch.linspace(0, 1, (num_points + 1) // 2).sqrt() * 2.75 * math.pi
    arm = torch.stack((angle.cos(), angle.sin()), dim=1) * (angle / angle.max())[:, None]
    return torch.cat((arm, -arm))[:num_points]


def islands(num_islands: int = 5, points_each: int = 40, spread: float = 0.06) -> tuple[Tensor, Tensor]:
    """Groups of points on a circle, (N, 2), and the number of the group of each, (N,). Always the same."""
    angle = torch.arange(num_islands) * 2 * math.pi / num_islands + math.pi / 2
    centres = 0.8 * torch.stack((angle.cos(), angle.sin()), dim=1)
    generator = torch.Generator().manual_seed(0)
    group = torch.arange(num_islands).repeat_interleave(points_each)
    return centres[group] + spread * torch.randn(len(group), 2, generator=generator), group


def exact_noise(schedule: NoiseSchedule, data: Tensor):
    """predict_noise(x_t, t) without error, for x_0 drawn from the rows of `data` (N, ...), each as likely.

    By Bayes' rule row i has the weight exp(-|x_t - sqrt(alpha_bar_t) x_i|^2 / (2 (1 - alpha_bar_t))), over
    the sum of all: the density of eq. 4 (DDPM). The best guess of x_0 in the squared error is the mean of all
    rows with these weights, E[x_0 | x_t]. The noise that belongs to it is E[noise | x_t], and that is
    what the minimiser of eq. 14 predicts.

    The function takes x_t (batch, ...) and t, a step 1 .. T or a LongTensor (batch,), as a sampler needs it.
    """
    rows = data.flatten(start_dim=1)

    def predict_noise(x_t: Tensor, t) -> Tensor:
        alpha_bar = schedule.alpha_bar[schedule.index(t, lowest=1)]
        image, noise = per_image(alpha_bar.sqrt(), x_t), per_image((1 - alpha_bar).sqrt(), x_t)
        # The distances over the noise's deviation, so that no small number is divided by another.
        scaled = (x_t / noise).flatten(start_dim=1)
        scale = (image / noise).reshape(-1, 1, 1)
        distance = torch.cdist(scaled[:, None], scale * rows.to(x_t.dtype)).squeeze(1)  # (batch, N)
        weights = torch.softmax(-distance.square() / 2, dim=1)
        clean = (weights @ rows.to(x_t.dtype)).view_as(x_t)
        return (x_t - image * clean) / noise

    return predict_noise


def score(schedule: NoiseSchedule, x_t: Tensor, t, noise: Tensor) -> Tensor:
    """The direction in which x_t becomes more likely fastest: -noise / sqrt(1 - alpha_bar_t).

    The gradient of log q(x_t) by x_t, where noise is the exact E[noise | x_t] (Song et al. 2021,
    arXiv 2011.13456, sections 2.2 and 3.3 link it to DDPM's eq. 14). Shapes as for predict_clean.
    """
    alpha_bar = schedule.alpha_bar[schedule.index(t, lowest=1)]
    return -noise / per_image((1 - alpha_bar).sqrt(), x_t)


def exact_clean(schedule: NoiseSchedule, data: Tensor, x_t: Tensor, t) -> Tensor:
    """E[x_0 | x_t], the mean of the rows of `data` weighted by how likely each has become x_t."""
    return predict_clean(schedule, x_t, t, exact_noise(schedule, data)(x_t, t))
