"""The mean of the reverse step from x_0, lesson 04: reference, cases, and what people write instead."""

import torch

from ..checks import Mistake
from ..schedule import NoiseSchedule


def posterior_mean(schedule, x_t, t, predicted_clean):
    beta, alpha, alpha_bar = schedule.beta[t], schedule.alpha[t], schedule.alpha_bar[t]
    alpha_bar_before = schedule.alpha_bar[t - 1]
    share_of_clean = alpha_bar_before.sqrt() * beta / (1 - alpha_bar)
    share_of_noisy = alpha.sqrt() * (1 - alpha_bar_before) / (1 - alpha_bar)
    return share_of_clean * predicted_clean + share_of_noisy * x_t


def _of_clean(beta, alpha, bar, before):
    return before.sqrt() * beta / (1 - bar)


def _of_noisy(beta, alpha, bar, before):
    return alpha.sqrt() * (1 - before) / (1 - bar)


def _mean(share_of_clean=_of_clean, share_of_noisy=_of_noisy, beta_at=0, alpha_at=0):
    """The sum with other shares: each a function of beta, alpha, alpha_bar and alpha_bar one step before.

    beta_at = -1 takes beta one step too early, and so does alpha_at with alpha.
    """

    def wrong(schedule, x_t, t, predicted_clean):
        beta, alpha = schedule.beta[t + beta_at], schedule.alpha[t + alpha_at]
        known = (beta, alpha, schedule.alpha_bar[t], schedule.alpha_bar[t - 1])
        return share_of_clean(*known) * predicted_clean + share_of_noisy(*known) * x_t

    return wrong


def _one_early(schedule, x_t, t, predicted_clean):
    return posterior_mean(schedule, x_t, t - 1, predicted_clean)


def _unstable(schedule, x_t, t, predicted_clean):
    beta, bar, before = schedule.beta[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
    variance = (1 - before) / (1 - bar) * beta
    both = schedule.alpha[t].sqrt() / beta * x_t + before.sqrt() / (1 - before) * predicted_clean
    return variance * both


def _clean_as_noise(schedule, x_t, t, predicted_clean):
    share = schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt()
    return (x_t - share * predicted_clean) / schedule.alpha[t].sqrt()


def _in_place(schedule, x_t, t, predicted_clean):
    alpha_bar, alpha_bar_before = schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
    x_t *= schedule.alpha[t].sqrt() * (1 - alpha_bar_before) / (1 - alpha_bar)
    x_t += alpha_bar_before.sqrt() * schedule.beta[t] / (1 - alpha_bar) * predicted_clean
    return x_t


def _with_noise(schedule, x_t, t, predicted_clean):
    sigma_squared = (1 - schedule.alpha_bar[t - 1]) / (1 - schedule.alpha_bar[t]) * schedule.beta[t]
    mean = posterior_mean(schedule, x_t, t, predicted_clean)
    return mean + sigma_squared.sqrt() * torch.randn(x_t.shape, dtype=x_t.dtype)


def cases() -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    cases = []
    for schedule in (NoiseSchedule.linear(500, 2e-4, 0.04), NoiseSchedule.linear(20, 0.005, 0.5)):
        for shape, dtype in (((3, 3, 8, 4), torch.float32), ((5, 2), torch.float64)):
            for t in (schedule.num_steps // 2, schedule.num_steps, 1):
                x_t, clean = torch.randn(2, *shape, generator=generator, dtype=dtype)
                cases.append({"schedule": schedule, "x_t": x_t, "t": t, "predicted_clean": clean})
    return cases


MISTAKES = [
    Mistake(
        _mean(lambda b, a, bar, before: before * b / (1 - bar), _of_noisy),
        "The clean image weighs too little: eq. 7 has √ᾱ_{t-1} in its share, not ᾱ_{t-1} itself.",
    ),
    Mistake(
        _mean(lambda b, a, bar, before: bar.sqrt() * b / (1 - bar), _of_noisy),
        "In the share of the clean image ᾱ_t stands where ᾱ_{t-1} belongs: schedule.alpha_bar[t - 1].",
    ),
    Mistake(
        _mean(_of_clean, lambda b, a, bar, before: a * (1 - before) / (1 - bar)),
        "The share of x_t lacks a square root: it is √α_t, not α_t.",
    ),
    Mistake(
        _mean(_of_clean, lambda b, a, bar, before: bar.sqrt() * (1 - before) / (1 - bar)),
        "The share of x_t has √ᾱ_t in it; the α without a bar belongs there, that of this one step.",
    ),
    Mistake(
        _mean(_of_noisy, _of_clean),
        "The two shares are swapped: β_t goes with the clean image, 1 − ᾱ_{t-1} with x_t.",
    ),
    Mistake(
        _mean(
            lambda b, a, bar, before: before.sqrt() * b / (1 - bar).sqrt(),
            lambda b, a, bar, before: a.sqrt() * (1 - before) / (1 - bar).sqrt(),
        ),
        "Both shares are divided by √(1 − ᾱ_t); eq. 7 divides by 1 − ᾱ_t, without a root.",
    ),
    Mistake(
        _mean(lambda b, a, bar, before: before.sqrt() / (1 - before), lambda b, a, *bars: a.sqrt() / b),
        "Line 4 of the derivation goes on: these factors are still to be multiplied by the variance.",
    ),
    Mistake(
        _mean(
            lambda b, a, bar, before: before.sqrt() * b,
            lambda b, a, bar, before: a.sqrt() * (1 - before),
        ),
        "Both shares still have to be divided by 1 − ᾱ_t.",
    ),
    Mistake(
        _mean(
            lambda b, a, bar, before: before.sqrt() * b / (1 - before),
            lambda b, a, bar, before: a.sqrt() * (1 - before) / (1 - before),
        ),
        "Both shares are divided by 1 − ᾱ_{t-1}, which is 0 at t = 1; eq. 7 divides by 1 − ᾱ_t.",
    ),
    Mistake(
        _mean(_of_clean, lambda b, a, bar, before: a.sqrt()),
        "The share of x_t has 1 − ᾱ_{t-1} above the line and 1 − ᾱ_t below: they do not cancel.",
    ),
    Mistake(
        _mean(
            lambda b, a, bar, before: bar.sqrt() * b / (1 - bar),
            lambda b, a, bar, before: a.sqrt(),
        ),
        "ᾱ_t stands in both places where ᾱ_{t-1} belongs: schedule.alpha_bar[t - 1].",
    ),
    Mistake(
        _mean(
            lambda b, a, bar, before: before * b / (1 - bar),
            lambda b, a, bar, before: a * (1 - before) / (1 - bar),
        ),
        "Both square roots are missing: √ᾱ_{t-1} in the share of the clean image, √α_t in that of x_t.",
    ),
    Mistake(
        _mean(lambda b, a, bar, before: before.sqrt() * a / (1 - bar), _of_noisy),
        "In the share of the clean image α_t stands where β_t = 1 − α_t belongs.",
    ),
    Mistake(
        _mean(
            lambda b, a, bar, before: before.sqrt() - bar.sqrt() * ((1 - before) / (1 - bar)).sqrt(),
            lambda b, a, bar, before: ((1 - before) / (1 - bar)).sqrt(),
        ),
        "That keeps all of the noise that is left, which is DDIM's step (lesson 06). Eq. 7 keeps less.",
    ),
    Mistake(
        _mean(beta_at=-1),
        "β_{t-1} stands where β_t belongs: schedule.beta[t].",
    ),
    Mistake(
        _mean(alpha_at=-1),
        "α_{t-1} stands where α_t belongs: schedule.alpha[t].",
    ),
    Mistake(
        _mean(beta_at=-1, alpha_at=-1),
        "β_{t-1} and α_{t-1} stand where β_t and α_t belong.",
    ),
    Mistake(
        _mean(
            lambda b, a, bar, before: a.sqrt() * b / (1 - bar),
            lambda b, a, bar, before: a.sqrt() * (1 - a) / (1 - bar),
        ),
        "α_t stands where ᾱ_{t-1} belongs, twice: schedule.alpha_bar[t - 1].",
    ),
    Mistake(
        _unstable,
        "Right for t > 1. At t = 1 it is 0 · ∞: the variance is 0, and 1 − ᾱ_{t-1} below the line, too. "
        "Multiply out first, as the end of line 4 does.",
    ),
    Mistake(
        _mean(lambda b, a, bar, before: before.sqrt() * b, _of_noisy),
        "Only the share of x_t is divided by 1 − ᾱ_t. Both are: brackets around the sum are missing.",
    ),
    Mistake(
        _mean(_of_clean, lambda b, a, bar, before: a.sqrt() * (1 - before)),
        "Only the share of the clean image is divided by 1 − ᾱ_t. Both are.",
    ),
    Mistake(
        _one_early,
        "Off by one: that is the step from t − 1. The index is the paper's t, and 0 the clean image.",
    ),
    Mistake(
        _clean_as_noise,
        "That is the ε form with the clean image put where the predicted noise belongs.",
    ),
    Mistake(_with_noise, "There is noise in it. Only the mean is wanted, the same at each call."),
    Mistake(_in_place, "x_t is overwritten, and the caller still needs it: work on new tensors."),
]
