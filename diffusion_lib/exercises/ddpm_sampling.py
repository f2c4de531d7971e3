"""Exercises of lesson 04: what the noise is for, the mean from x_0, frames, and a faulty loop."""

import torch

from ..checks import ChoiceExercise, FunctionExercise, Mistake, PropertyExercise
from ..schedule import NoiseSchedule
from . import sampling_frames, sampling_loop

without_noise = ChoiceExercise(
    "ddpm_sampling.without_noise",
    {
        "a": "The same sprites, only cleaner: the noise was what made them speckled.",
        "b": "Dull sprites; within a class nearly all the same.",
        "c": "Exact copies of training sprites: without noise nothing new can come out.",
        "d": "Pure noise: the loop does not work at all without it.",
    },
    "b",
    {
        "a": "The noise is no dirt on a finished picture. It is the spread of the reverse step: without it, "
        "each step ends nearer to the average than a true x_{t-1} would.",
        "c": "The mean pulls to the average of all clean images that are still possible, early in the run to "
        "that of nearly all. Grey is left of that to the end, and no training image is grey.",
        "d": "Each step still takes noise away, so x_t does get cleaner. But it loses more variance than it "
        "should.",
    },
    difficulty=1,
    minutes=2,
    hints=(
        "The network's guess of x_0 is an average of all clean images that x_t could have come from.",
        "A step that goes to the mean and stays there gives away some variance, five hundred times in a row.",
    ),
    right="The mean of the reverse step has less variance than x_{t-1} itself. Without the noise that puts "
    "it back, what tells the samples apart dies out, and all of a class end as one picture. The next figure "
    "shows it.",
)


def posterior_mean(schedule, x_t, t, predicted_clean):
    beta, alpha, alpha_bar = schedule.beta[t], schedule.alpha[t], schedule.alpha_bar[t]
    alpha_bar_before = schedule.alpha_bar[t - 1]
    share_of_clean = alpha_bar_before.sqrt() * beta / (1 - alpha_bar)
    share_of_noisy = alpha.sqrt() * (1 - alpha_bar_before) / (1 - alpha_bar)
    return share_of_clean * predicted_clean + share_of_noisy * x_t


def _mean(share_of_clean, share_of_noisy):
    """The sum with other shares: each a function of beta, alpha, alpha_bar and alpha_bar one step before."""

    def wrong(schedule, x_t, t, predicted_clean):
        known = (schedule.beta[t], schedule.alpha[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1])
        return share_of_clean(*known) * predicted_clean + share_of_noisy(*known) * x_t

    return wrong


def _of_clean(beta, alpha, bar, before):
    return before.sqrt() * beta / (1 - bar)


def _of_noisy(beta, alpha, bar, before):
    return alpha.sqrt() * (1 - before) / (1 - bar)


def _one_early(schedule, x_t, t, predicted_clean):
    return _mean(_of_clean, _of_noisy)(schedule, x_t, t - 1, predicted_clean)


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
    mean = _mean(_of_clean, _of_noisy)(schedule, x_t, t, predicted_clean)
    return mean + sigma_squared.sqrt() * torch.randn(x_t.shape, dtype=x_t.dtype)


def _mean_cases() -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    cases = []
    for schedule in (NoiseSchedule.linear(500, 2e-4, 0.04), NoiseSchedule.linear(20, 0.005, 0.5)):
        for shape, dtype in (((3, 3, 8, 4), torch.float32), ((5, 2), torch.float64)):
            for t in (schedule.num_steps // 2, schedule.num_steps, 1):
                x_t, clean = torch.randn(2, *shape, generator=generator, dtype=dtype)
                cases.append({"schedule": schedule, "x_t": x_t, "t": t, "predicted_clean": clean})
    return cases


posterior_mean = FunctionExercise(
    "ddpm_sampling.posterior_mean",
    posterior_mean,
    _mean_cases,
    mistakes=[
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
            _one_early,
            "Off by one: that is the step from t − 1. The index is the paper's t, and 0 the clean image.",
        ),
        Mistake(
            _clean_as_noise,
            "That is the ε form with the clean image put where the predicted noise belongs.",
        ),
        Mistake(_with_noise, "There is noise in it. Only the mean is wanted, the same at each call."),
        Mistake(_in_place, "x_t is overwritten, and the caller still needs it: work on new tensors."),
    ],
    difficulty=2,
    minutes=8,
    hints=(
        "The formula ends line 4 of the folded derivation: two shares that depend on t alone, two tensors.",
        "ᾱ_{t-1} is schedule.alpha_bar[t - 1]. At t = 1 it is 1: the share of x_t must be 0 there.",
        "share_of_clean = alpha_bar_before.sqrt() * beta / (1 - alpha_bar); the other: 1 - alpha_bar_before.",
    ),
    right="Two schedules, images and points, float32 and float64, and the last step, where only the clean "
    "image is left.",
)

choose_frames = PropertyExercise(
    "ddpm_sampling.choose_frames",
    sampling_frames.choose_frames,
    sampling_frames.test,
    mistakes=[Mistake(answer, says) for answer, says in sampling_frames.MISTAKES],
    difficulty=2,
    minutes=8,
    hints=(
        "A list of 501 steps has 500 gaps; to show n frames is to make n - 1 jumps, of nearly one size.",
        "The i-th frame stands at round(i * (len(steps) - 1) / (num_frames - 1)), i = 0 .. num_frames - 1.",
    ),
    right="Six runs and numbers of frames: the right count, x_T first, x_0 last, gaps that differ by one at "
    "most, and each frame still knows its t.",
)

mended_loop = PropertyExercise(
    "ddpm_sampling.mended_loop",
    sampling_loop.mended_loop,
    sampling_loop.test,
    mistakes=[Mistake(answer, says) for answer, says in sampling_loop.MISTAKES],
    difficulty=3,
    minutes=12,
    hints=(
        "All three faults concern the noise: from which distribution it comes, how large it is, and when.",
        "Give the loop a predict_noise that always says 0: x_{t-1} - x_t / √α_t is then its noise. "
        "Look at its mean, at its standard deviation beside √β_t, and at t = 1.",
        "torch.randn for torch.rand, beta.sqrt() for beta, t > 1 for t > 0.",
    ),
    right="The noise of each step has mean 0 and the deviation σ_t, comes from the generator, is new at each "
    "step, and there is none at t = 1. The mean is as it was.",
)
