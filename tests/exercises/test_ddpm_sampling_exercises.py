"""Lesson 04: other right answers are accepted, and more wrong ones refused in their own words."""

import pytest
import torch

from diffusion_lib.exercises import ddpm_sampling
from diffusion_lib.samplers import ddpm_step, last, sample_ddim, sample_ddpm
from diffusion_lib.schedule import NoiseSchedule, add_noise


def by_the_library(schedule, x_t, t, predicted_clean):
    alpha_bar = schedule.alpha_bar[t]
    noise = (x_t - alpha_bar.sqrt() * predicted_clean) / (1 - alpha_bar).sqrt()
    return ddpm_step(schedule, x_t, t, noise, torch.zeros_like(x_t))


def by_precision(schedule, x_t, t, predicted_clean):
    """The mean of two Gaussians multiplied: each weighs by one over its variance."""
    beta, alpha, before = schedule.beta[t], schedule.alpha[t], schedule.alpha_bar[t - 1]
    if t == 1:
        return predicted_clean
    prior, likelihood = 1 / (1 - before), alpha / beta
    total = prior * before.sqrt() * predicted_clean + likelihood * x_t / alpha.sqrt()
    return total / (prior + likelihood)


def in_numbers(schedule, x_t, t, predicted_clean):
    beta, bar, before = (
        float(schedule.beta[t]),
        float(schedule.alpha_bar[t]),
        float(schedule.alpha_bar[t - 1]),
    )
    return (before**0.5 * beta * predicted_clean + (1 - beta) ** 0.5 * (1 - before) * x_t) / (1 - bar)


def along_t(schedule, x_t, t, predicted_clean):
    beta, alpha_bar = schedule.beta, schedule.alpha_bar
    before = alpha_bar.roll(1)
    clean = (before.sqrt() * beta / (1 - alpha_bar))[t].to(x_t.dtype)
    noisy = (schedule.alpha.sqrt() * (1 - before) / (1 - alpha_bar))[t].to(x_t.dtype)
    return torch.add(clean * predicted_clean, x_t, alpha=noisy.item())


@pytest.mark.parametrize("answer", [by_the_library, by_precision, in_numbers, along_t])
def test_the_mean_may_be_written_otherwise(answer):
    verdict = ddpm_sampling.posterior_mean.judge(answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda mean, case: case["predicted_clean"], "Wrong values"),
        (lambda mean, case: add_noise(x_0=case["predicted_clean"], noise=mean, **at(case)), "Wrong values"),
        (lambda mean, case: mean.double(), "Wrong dtype"),
        (lambda mean, case: mean[0], "Wrong shape"),
    ],
)
def test_other_means_are_refused(change, words):
    verdict = ddpm_sampling.posterior_mean.judge(lambda **case: change(by_precision(**case), case))
    assert verdict.status == "wrong" and words in verdict.text


def at(case):
    return {"schedule": case["schedule"], "t": case["t"] - 1}


def by_the_sampler(predict_noise, schedule, x_T, generator):
    return last(sample_ddpm(predict_noise, schedule, x_T, generator=generator))


def with_the_posterior_variance(predict_noise, schedule, x_T, generator):
    return last(sample_ddpm(predict_noise, schedule, x_T, variance="posterior", generator=generator))


def by_steps(predict_noise, schedule, x_T, generator):
    x, t = x_T, schedule.num_steps
    while t > 0:
        z = torch.empty_like(x).normal_(generator=generator)
        x = ddpm_step(schedule, x, t, predict_noise(x, t), z)
        t -= 1
    return x


def by_variance(predict_noise, schedule, x_T, generator):
    x = x_T.clone()
    for t in reversed(range(1, schedule.num_steps + 1)):
        share = schedule.beta[t] / (1 - schedule.alpha_bar[t]) ** 0.5
        x -= share * predict_noise(x, t)
        x /= schedule.alpha[t] ** 0.5
        if t != 1:
            x += torch.normal(0.0, float(schedule.beta[t]) ** 0.5, x.shape, generator=generator)
    return x


def with_numbers_of_32_bits(predict_noise, schedule, x_T, generator):
    beta, alpha, alpha_bar = schedule.beta.float(), schedule.alpha.float(), schedule.alpha_bar.float()
    x = x_T
    for t in range(schedule.num_steps, 0, -1):
        z = torch.randn(x.shape, generator=generator) if t > 1 else 0
        mean = (x - beta[t] / (1 - alpha_bar[t]).sqrt() * predict_noise(x, t)) / alpha[t].sqrt()
        x = mean + beta[t].sqrt() * z
    return x


def with_a_step_for_each(predict_noise, schedule, x_T, generator):
    x = x_T
    for t in range(schedule.num_steps, 0, -1):
        t = torch.full((len(x),), t)
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = ddpm_step(schedule, x, t, predict_noise(x, t), z)
    return x


@pytest.mark.parametrize(
    "answer",
    [
        with_a_step_for_each,
        by_the_sampler,
        with_the_posterior_variance,
        by_steps,
        by_variance,
        with_numbers_of_32_bits,
    ],
)
def test_the_loop_may_be_written_otherwise(answer):
    for exercise in (ddpm_sampling.mended_loop, ddpm_sampling.my_sampler):
        verdict = exercise.judge(answer)
        assert verdict.status == "right", verdict.text


def ddim(predict_noise, schedule, x_T, generator):
    return last(sample_ddim(predict_noise, schedule, x_T, num_steps=schedule.num_steps))


def in_place(predict_noise, schedule, x_T, generator):
    x_0 = by_steps(predict_noise, schedule, x_T, generator)
    x_T.zero_()
    return x_0


def with_alpha_bar(predict_noise, schedule, x_T, generator):
    x = x_T
    for t in range(schedule.num_steps, 0, -1):
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype) if t > 1 else 0
        share = schedule.beta[t] / (1 - schedule.alpha[t]).sqrt()
        x = (x - share * predict_noise(x, t)) / schedule.alpha[t].sqrt() + schedule.beta[t].sqrt() * z
    return x


def half_of_the_noise_taken(predict_noise, schedule, x_T, generator):
    return by_steps(lambda x, t: predict_noise(x, t) / 2, schedule, x_T, generator)


def shrinking(predict_noise, schedule, x_T, generator):
    x = x_T
    for t in range(schedule.num_steps, 0, -1):
        x = 0.9 * ddpm_step(schedule, x, t, predict_noise(x, t), torch.randn_like(x))
    return x


def twice_the_noise(predict_noise, schedule, x_T, generator):
    x = x_T
    for t in range(schedule.num_steps, 0, -1):
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = ddpm_step(schedule, x, t, predict_noise(x, t), 2 * z)
    return x


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ddim, "That is DDIM's step"),
        (in_place, "x_T is overwritten"),
        (with_alpha_bar, "α_t stands where ᾱ_t belongs"),
        (twice_the_noise, "but σ_t is"),
        (lambda predict_noise, schedule, x_T, generator: x_T, "asked 0 times"),
        (lambda *args: sample_ddpm(*args[:3]), "got generator"),
        (lambda *args: by_steps(*args).float(), "keep the dtype of x_T"),
        (
            lambda *asked: by_the_sampler(asked[0], NoiseSchedule.linear(500), *asked[2:]),
            "A t beyond the schedule",
        ),
        (
            lambda *asked: by_the_sampler(asked[0], NoiseSchedule.linear(31), *asked[2:]),
            "A t beyond the schedule",
        ),
        (half_of_the_noise_taken, "so much of it is taken away"),
        (shrinking, "it is multiplied by"),
    ],
)
def test_other_loops_are_refused(answer, words):
    for exercise in (ddpm_sampling.mended_loop, ddpm_sampling.my_sampler):
        verdict = exercise.judge(answer)
        assert verdict.status == "wrong" and words in verdict.text, verdict
