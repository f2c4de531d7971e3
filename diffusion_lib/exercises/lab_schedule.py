"""The labs' schedule with its fault, what the check of the mended one asks, and wrong answers. Lesson 02."""

import torch
from torch import Tensor

STILL_THERE = "beta_0 is still in the product"
TOO_LATE = "beta[0] was changed, but alpha was already made from the old one"


def lab_schedule(num_steps, beta_1, beta_2):
    """The schedule as the labs make it, fault and all."""
    beta = beta_1 + (beta_2 - beta_1) * torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    alpha = 1 - beta
    alpha_bar = alpha.log().cumsum(dim=0).exp()
    alpha_bar[0] = 1
    return beta, alpha, alpha_bar


def _is_near(a, b) -> bool:
    return torch.allclose(torch.as_tensor(a).double(), torch.as_tensor(b).double(), rtol=0, atol=3e-6)


def test(function) -> str | None:
    """What is wrong with (beta, alpha, alpha_bar), in a sentence, or None."""
    for num_steps, beta_1, beta_2 in ((500, 1e-4, 0.02), (20, 0.01, 0.4)):
        made = function(num_steps, beta_1, beta_2)
        if not isinstance(made, (tuple, list)) or len(made) != 3:
            return "Three tensors are wanted: beta, alpha, alpha_bar."
        beta, alpha, alpha_bar = made
        if not all(isinstance(values, Tensor) for values in made):
            names = ", ".join(type(values).__name__ for values in made)
            return f"Three tensors are wanted, beta, alpha, alpha_bar. These are: {names}."
        shapes = [tuple(values.shape) for values in made]
        if shapes != [(num_steps + 1,)] * 3:
            return f"Each tensor must have T + 1 = {num_steps + 1} entries, index 0 .. T, got {shapes}."
        if _is_near(alpha, 1 - beta) and beta[-1] > 0.5 > alpha[-1]:
            return "The order is wrong: beta comes first, then alpha, then alpha_bar."
        if _is_near(alpha_bar[2:], torch.zeros(num_steps - 1)):
            return (
                "alpha_bar is 0 at nearly every step: one of its factors is 0. Is alpha[0] = 0, beta[0] = 1?"
            )
        # Both ways to place beta_1 .. beta_2 are fine: on the indices 0 .. T, as here, or on 1 .. T.
        spaced = torch.linspace(beta_1, beta_2, num_steps + 1, dtype=torch.float64)[1:]
        if not any(_is_near(beta[1:], row) for row in (spaced, torch.linspace(beta_1, beta_2, num_steps))):
            return "beta_1 .. beta_T have changed. They were right: only what ᾱ is made of is at fault."
        if not _is_near(alpha[1:], 1 - beta[1:]):
            return "alpha must be 1 - beta at each step 1 .. T. It was right before."
        if _is_near(alpha_bar[1:], alpha[1:].log().cumsum(dim=0)):
            return "alpha_bar is now the sum of the logarithms: its exp is missing."
        if not _is_near(alpha_bar[0], 1):
            return "alpha_bar[0] must be 1: with no step made, all of the image is there."
        if _is_near(alpha_bar[1:], alpha[1:].cumprod(dim=0).sqrt()):
            return "alpha_bar is now a product of roots, so √ᾱ. It is the product of the α_t themselves."
        if _is_near(alpha_bar[1:], alpha[:-1].cumprod(dim=0)):
            return "Now everything is one step late: alpha_bar[1] must be alpha[1], and it is alpha[0]."
        old_alpha_bar = lab_schedule(num_steps, beta_1, beta_2)[2]
        if _is_near(alpha_bar[1], old_alpha_bar[1]):
            if beta[0] == 0:
                return f"{TOO_LATE}: the order of the lines counts, and alpha_bar is as it was."
            return f"{STILL_THERE}: alpha_bar[1] is (1 − beta_0)(1 − beta_1), and step 1 alone must be in it."
        if _is_near(alpha_bar[1], alpha[1]) and _is_near(alpha_bar[2:], old_alpha_bar[2:]):
            return "alpha_bar[1] is right now, but beta_0 is still in every entry after it."
        if not _is_near(alpha_bar[1:], alpha[1:].cumprod(dim=0)):
            return "alpha_bar[t] is not the product of alpha[1] .. alpha[t]."
    return None


def _no_reset(num_steps, beta_1, beta_2):
    beta = torch.linspace(beta_1, beta_2, num_steps + 1, dtype=torch.float64)
    return beta, 1 - beta, (1 - beta).log().cumsum(dim=0).exp()


def _one_late(num_steps, beta_1, beta_2):
    beta, alpha, _ = lab_schedule(num_steps, beta_1, beta_2)
    return beta, alpha, torch.cat([alpha.new_ones(1), alpha.cumprod(dim=0)[:-1]])


def _too_late(num_steps, beta_1, beta_2):
    beta, alpha, alpha_bar = lab_schedule(num_steps, beta_1, beta_2)
    beta[0] = 0
    return beta, alpha, alpha_bar


def _first_alone(num_steps, beta_1, beta_2):
    beta, alpha, alpha_bar = lab_schedule(num_steps, beta_1, beta_2)
    alpha_bar[1] = alpha[1]
    return beta, alpha, alpha_bar


def _without_exp(num_steps, beta_1, beta_2):
    beta, alpha, _ = lab_schedule(num_steps, beta_1, beta_2)
    return beta, alpha, torch.cat([alpha.new_ones(1), alpha[1:].log().cumsum(dim=0)])


def _swapped(num_steps, beta_1, beta_2):
    beta, alpha, _ = lab_schedule(num_steps, beta_1, beta_2)
    return alpha, beta, torch.cat([alpha.new_ones(1), alpha[1:].cumprod(dim=0)])


def _one_for_zero(num_steps, beta_1, beta_2):
    beta, _, _ = lab_schedule(num_steps, beta_1, beta_2)
    beta[0] = 1
    alpha_bar = (1 - beta).cumprod(dim=0)
    alpha_bar[0] = 1
    return beta, 1 - beta, alpha_bar


def _in_numpy(num_steps, beta_1, beta_2):
    return tuple(values.numpy() for values in _swapped(num_steps, beta_1, beta_2))


def _of_roots(num_steps, beta_1, beta_2):
    beta, alpha, _ = lab_schedule(num_steps, beta_1, beta_2)
    return beta, alpha, torch.cat([alpha.new_ones(1), alpha[1:].sqrt().cumprod(dim=0)])


def _from_zero(num_steps, beta_1, beta_2):
    beta = torch.linspace(0, beta_2, num_steps + 1, dtype=torch.float64)
    return beta, 1 - beta, (1 - beta).cumprod(dim=0)


MISTAKES = [
    (lab_schedule, STILL_THERE),
    (_no_reset, "alpha_bar[0] must be 1"),
    (_too_late, TOO_LATE),
    (lambda *a: tuple(values[1:] for values in lab_schedule(*a)), "Each tensor must have T + 1"),
    (_one_late, "Now everything is one step late"),
    (_first_alone, "alpha_bar[1] is right now"),
    (_without_exp, "alpha_bar is now the sum of the logarithms"),
    (_swapped, "The order is wrong"),
    (_one_for_zero, "alpha_bar is 0 at nearly every step"),
    (_in_numpy, "These are: ndarray, ndarray, ndarray"),
    (_of_roots, "alpha_bar is now a product of roots"),
    (_from_zero, "beta_1 .. beta_T have changed"),
]
