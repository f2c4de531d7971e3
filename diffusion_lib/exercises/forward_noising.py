"""Exercises of lesson 02: where noise outweighs the image, the variance, two functions, a faulty schedule."""

import torch

from ..checks import ChoiceExercise, FunctionExercise, Mistake, PropertyExercise
from ..schedule import NoiseSchedule, add_noise, per_image
from . import added_noise_mistakes, lab_schedule, noising_mistakes


def _named(mistakes) -> list[Mistake]:
    return [Mistake(answer, says) for answer, says in mistakes]


half_way = ChoiceExercise(
    "forward_noising.half_way",
    {
        "a": "At about t = 250: half of the steps, half of the noise.",
        "b": "At about t = 185: well before half of the steps.",
        "c": "At about t = 350: β grows, so most of the noise comes late.",
        "d": "At t = 500: only the last step covers the image.",
    },
    "b",
    {
        "a": "The steps are not equally strong, and what they take away multiplies up. Look where ᾱ crosses "
        "one half, not where t does.",
        "c": "β does grow, but each step works on what the earlier ones have left. When the strong steps "
        "come, little of the image is there to be lost.",
        "d": "At T nearly nothing of the image is left: the SNR there is far below 1. It is 1 much earlier.",
    },
    difficulty=1,
    minutes=2,
    hints=(
        "The SNR is ᾱ_t / (1 − ᾱ_t). Which ᾱ_t makes it 1?",
        "ᾱ_t is near exp(−(β_1 + … + β_t)), and the sum must be about 0.69. β rises in a line to 0.02 at "
        "t = 500, so the sum is about 0.00002 · t².",
    ),
    right="ᾱ_t is one half there: half of the variance is noise. The other 315 steps work on what is mostly "
    "noise already.",
)

missing_root = ChoiceExercise(
    "forward_noising.missing_root",
    {
        "a": "It is 1 at each t, as with the root: only the kind of noise has changed.",
        "b": "It dips to 0.75 where ᾱ_t is one half, and is 1, or nearly, at both ends.",
        "c": "It grows above 1 between the ends, for too much noise is added.",
        "d": "It falls from 1 to 0: the noise that is missing never comes.",
    },
    "b",
    {
        "a": "Variances add up: ᾱ from the image, (1 − ᾱ)² from the noise. Is the sum always 1?",
        "c": "1 − ᾱ lies between 0 and 1, and there it is smaller than its root. So the noise is too weak.",
        "d": "At T, ᾱ is nearly 0, and 1 − ᾱ and its root are both nearly 1: there the bug does no harm.",
    },
    difficulty=2,
    minutes=3,
    hints=(
        "The variance of a · x is a² times that of x, and the variances of independent things add up.",
        "Here it is ᾱ + (1 − ᾱ)². Put in ᾱ = 1, one half and 0.",
    ),
    right="The variance is ᾱ + (1 − ᾱ)² = 1 − ᾱ(1 − ᾱ), which is least where ᾱ is one half: 0.75.",
)


def noise_further(schedule, x_s, s, t, noise):
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]  # the product of alpha_{s+1} .. alpha_t
    return kept.sqrt() * x_s + (1 - kept).sqrt() * noise


def _further_cases() -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    cases = []
    for schedule in (NoiseSchedule.linear(), NoiseSchedule.linear(20, 0.01, 0.4)):
        T = schedule.num_steps
        for s, t in ((T // 4, T // 2), (0, T // 3), (T // 2, T // 2 + 1), (1, T)):
            for shape, dtype in (((3, 3, 8, 4), torch.float32), ((5, 2), torch.float64)):
                x_s, noise = torch.randn(2, *shape, generator=generator, dtype=dtype)
                cases.append({"schedule": schedule, "x_s": x_s, "s": s, "t": t, "noise": noise})
    return cases


noise_further = FunctionExercise(
    "forward_noising.noise_further",
    noise_further,
    _further_cases,
    mistakes=_named(noising_mistakes.NOISE_FURTHER),
    difficulty=3,
    minutes=8,
    hints=(
        "add_noise is the special case s = 0. Which of the factors α_1 … α_t do the steps s + 1 .. t have?",
        "Their product is ᾱ_t / ᾱ_s. It takes the place of ᾱ_t, in both factors.",
        "kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]; then kept.sqrt() and (1 - kept).sqrt().",
    ),
    right="Two schedules, images and points, from the clean image (add_noise), over one step, and over many.",
)


def added_noise(schedule, x_0, x_t, t):
    alpha_bar = schedule.alpha_bar[t]
    image_part = per_image(alpha_bar.sqrt(), x_0) * x_0
    return (x_t - image_part) / per_image((1 - alpha_bar).sqrt(), x_0)


def _added_cases() -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    schedule, cases = NoiseSchedule.linear(), []
    for shape, t, dtype in (
        ((3, 3, 8, 8), [400, 20, 150], torch.float32),
        ((4, 1, 4, 4), [1, 100, 250, 500], torch.float64),  # as many images as columns
        ((1, 3, 16, 16), [50], torch.float32),
    ):
        x_0, noise = torch.randn(2, *shape, generator=generator, dtype=dtype)
        t = torch.tensor(t)
        cases.append({"schedule": schedule, "x_0": x_0, "x_t": add_noise(schedule, x_0, t, noise), "t": t})
    return cases


added_noise = FunctionExercise(
    "forward_noising.added_noise",
    added_noise,
    _added_cases,
    tolerance=2e-4,  # near t = 1 the rounding of a float32 x_t is divided by 0.01
    mistakes=_named(added_noise_mistakes.ADDED_NOISE),
    difficulty=2,
    minutes=6,
    hints=(
        "Solve eq. 4 for the noise: take the image's part away, then undo the noise's factor.",
        "schedule.alpha_bar[t] has one number an image; per_image shapes such numbers for a product.",
        "(x_t - per_image(alpha_bar.sqrt(), x_0) * x_0) / per_image((1 - alpha_bar).sqrt(), x_0)",
    ),
    right="Batches in which each image has its own t, also one with as many images as columns, in float32 "
    "and float64.",
)


def mended_schedule(num_steps, beta_1, beta_2):
    beta = beta_1 + (beta_2 - beta_1) * torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    beta[0] = 0  # there is no step 0: it keeps everything
    alpha = 1 - beta
    alpha_bar = alpha.log().cumsum(dim=0).exp()
    return beta, alpha, alpha_bar


mended_schedule = PropertyExercise(
    "forward_noising.mended_schedule",
    mended_schedule,
    lab_schedule.test,
    mistakes=_named(lab_schedule.MISTAKES),
    difficulty=3,
    minutes=8,
    hints=(
        "Print alpha_bar[1] and alpha[1]. After one step the two must be the same.",
        "The sum runs over all T + 1 entries, also over log alpha[0]. Setting alpha_bar[0] = 1 at the end is "
        "too late: alpha[0] is already in all the others.",
        "Set beta[0] = 0 before alpha is made, or divide alpha_bar by alpha[0].",
    ),
    right="alpha_bar[0] is 1, alpha_bar[t] is the product of alpha_1 .. alpha_t, for two schedules, and "
    "the betas are a line as before.",
)
