"""Which steps t count most in training: the weight of the loss at each, and how often each is drawn."""

import torch
from torch import Tensor


def loss_weights(snr: Tensor, weighting: str) -> Tensor:
    """The weight of the loss at each t = 0 .. T, of mean 1 over 1 .. T: (T + 1,), from snr (T + 1,).

    "none" is DDPM, eq. 14. "debiased" is 1 / sqrt(snr), kept within 0.2 .. 10, over the mean (after Yu et al.
    2023, arXiv 2310.08442). In a short training the last specks of noise are then never learned. Raises
    ValueError for another weighting.
    """
    if weighting not in ("none", "debiased"):
        raise ValueError(f'weighting must be "none" or "debiased", got {weighting!r}')
    weights = snr.rsqrt().clamp(0.2, 10)
    return weights / weights[1:].mean() if weighting == "debiased" else torch.ones_like(weights)


def odds_of_t(snr: Tensor, draw_t: str) -> Tensor | None:
    """How often each t = 1 .. T is drawn, up to a common factor: (T,) from snr (T + 1,); None if all alike.

    "uniform" is DDPM, algorithm 1. "middle" takes the ratio of noise to signal, sigma = 1 / sqrt(snr): the
    odds are min(sigma, 12 / sigma), at least 0.5. Raises ValueError for another draw_t.
    """
    if draw_t not in ("uniform", "middle"):
        raise ValueError(f'draw_t must be "uniform" or "middle", got {draw_t!r}')
    # Highest where sigma is 3.5, t = 251 in the course's schedule: nothing is lost above it (see the card of
    # `better` in data/checkpoints). The 0.5 keeps the smallest noise in practice.
    sigma = snr[1:].rsqrt()
    return torch.minimum(sigma, 12 / sigma).clamp(min=0.5) if draw_t == "middle" else None
