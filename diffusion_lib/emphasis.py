"""What counts most in training: the loss at which t, how often each t is drawn, whose rate is higher."""

import torch
from torch import Tensor, nn

CONTEXT_WEIGHTS = ("contextembed1.model.0.weight", "contextembed2.model.0.weight")  # a column for each class


def parameter_groups(model: nn.Module, learning_rate: float, class_rate: float) -> list[dict]:
    """The parameters as an optimizer takes them, in groups with their highest learning rate.

    It is class_rate times as high for the columns of the classes in the context's first weights. A column
    learns from the images of its class alone, and where there are many classes these are few. Raises
    ValueError for a rate that is not above 0, or another than 1 for a network without such weights.
    """
    if not 0 < class_rate < float("inf"):
        raise ValueError(f"class_rate must be a finite number above 0, got {class_rate}")
    named, own = dict(model.named_parameters()), []
    if class_rate != 1:
        if missing := [name for name in CONTEXT_WEIGHTS if name not in named]:
            raise ValueError(f"class_rate {class_rate:g} needs a network with weights {missing[0]}")
        own = [named.pop(name) for name in CONTEXT_WEIGHTS]
    groups = ((learning_rate, list(named.values())), (learning_rate * class_rate, own))
    return [{"params": params, "lr": rate, "initial_lr": rate} for rate, params in groups if params]


def loss_weights(snr: Tensor, weighting: str) -> Tensor:
    """The weight of the loss at each t = 0 .. T, of mean 1 over 1 .. T: (T + 1,), from snr (T + 1,).

    "none" is DDPM, eq. 14. The others grow with the ratio of noise to signal, sigma = 1 / sqrt(snr).
    "debiased" is sigma, kept within 0.2 .. 10, over the mean (after Yu et al. 2023, arXiv 2310.08442). In a
    short training the last specks of noise are then never learned. "clean" is sigma^1.5, sigma within
    0.05 .. 20: nearly the error of the clean image, which would be sigma^2. Raises ValueError for another.
    """
    if weighting not in ("none", "debiased", "clean"):
        raise ValueError(f'weighting must be "none", "debiased" or "clean", got {weighting!r}')
    sigma = snr.rsqrt()
    debiased, clean = sigma.clamp(0.2, 10), sigma.clamp(0.05, 20) ** 1.5
    weights = {"none": torch.ones_like(sigma), "debiased": debiased, "clean": clean}[weighting]
    return weights / weights[1:].mean()


def odds_of_t(snr: Tensor, draw_t: str) -> Tensor | None:
    """How often each t = 1 .. T is drawn, up to a common factor: (T,) from snr (T + 1,); None if all alike.

    "uniform" is DDPM, algorithm 1. The others go by the ratio of noise to signal, sigma = 1 / sqrt(snr): for
    "middle" the odds are min(sigma, 12 / sigma), at least 0.5; for "high" 1.05 where sigma is 4 .. 40, which
    is where a sampler decides what it will draw, and 0.05 elsewhere. Raises ValueError for another draw_t.
    """
    if draw_t not in ("uniform", "middle", "high"):
        raise ValueError(f'draw_t must be "uniform", "middle" or "high", got {draw_t!r}')
    # Highest where sigma is 3.5, t = 251 in the course's schedule: nothing is lost above it (see the card of
    # `better` in data/checkpoints). The 0.5 keeps the smallest noise in practice.
    sigma = snr[1:].rsqrt()
    middle = torch.minimum(sigma, 12 / sigma).clamp(min=0.5)
    high = ((sigma >= 4) & (sigma <= 40)) + torch.full_like(sigma, 0.05)
    return {"uniform": None, "middle": middle, "high": high}[draw_t]
