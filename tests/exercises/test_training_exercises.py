"""Lesson 03: other right answers are accepted, and more wrong ones refused in their own words."""

import math

import numpy as np
import pytest
import torch

from diffusion_lib.data import to_display
from diffusion_lib.exercises import training
from diffusion_lib.schedule import add_noise


def scaled_and_floored(num_steps, batch_size, generator):
    uniform = torch.rand(batch_size, generator=generator, dtype=torch.float64)
    return (uniform * num_steps).floor().long() + 1


def counted_up(num_steps, batch_size, generator):
    return torch.ceil(num_steps * (1 - torch.rand(batch_size, generator=generator))).to(torch.int64)


def by_weights(num_steps, batch_size, generator):
    return torch.multinomial(torch.ones(num_steps), batch_size, replacement=True, generator=generator) + 1


def in_place(num_steps, batch_size, generator):
    return torch.empty(batch_size, dtype=torch.long).random_(1, num_steps + 1, generator=generator)


def one_at_a_time(num_steps, batch_size, generator):
    return torch.cat([torch.randint(num_steps, (1,), generator=generator) + 1 for _ in range(batch_size)])


@pytest.mark.parametrize("answer", [scaled_and_floored, counted_up, by_weights, in_place, one_at_a_time])
def test_t_may_be_drawn_otherwise(answer):
    verdict = training.draw_steps.judge(answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.tolist(), "got list"),
        (lambda t: t.int(), "torch.int32"),
        (lambda t: t[:, None], "(4000, 1)"),
        (lambda t: t[:-1], "(3999,)"),
        (lambda t: t.sort().values.clamp(min=2), "Not uniform"),
        (lambda t: t - 1, "0 .. T - 1"),
    ],
)
def test_other_draws_are_refused(change, words):
    verdict = training.draw_steps.judge(lambda *case: change(by_weights(*case)))
    assert verdict.status == "wrong" and words in verdict.text, verdict


def test_steps_that_skip_the_last_of_many_are_refused():
    def without_500(num_steps, batch_size, generator):
        return in_place(min(num_steps, 499), batch_size, generator)

    verdict = training.draw_steps.judge(without_500)
    assert verdict.status == "wrong" and "1 to 500 is wanted" in verdict.text


def by_cases(step, num_steps, warmup_steps):
    fall = (num_steps - step) / num_steps
    if step + 1 >= warmup_steps:
        return fall
    return (step + 1) * fall / warmup_steps


def with_tensors(step, num_steps, warmup_steps):
    climb = torch.tensor((step + 1) / (warmup_steps or 1), dtype=torch.float64).clamp(max=1)
    return climb * (1 - step / num_steps)


def with_numpy(step, num_steps, warmup_steps):
    return np.interp(step, [0, num_steps], [1, 0]) * np.minimum(
        1, np.float64(step + 1) / max(1, warmup_steps)
    )


def in_one_line(step, num_steps, warmup_steps):
    return min(1, (step + 1) / max(warmup_steps, 1)) * (num_steps - step) / num_steps


@pytest.mark.parametrize("answer", [by_cases, with_tensors, with_numpy, in_one_line])
def test_the_rate_may_be_written_otherwise(answer):
    verdict = training.rate_factor.judge(answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize(
    "answer",
    [
        lambda step, num_steps, warmup_steps: by_cases(step, num_steps, warmup_steps) * 2e-3,
        lambda step, num_steps, warmup_steps: 0.5 * (1 + math.cos(math.pi * step / num_steps)),
        lambda step, num_steps, warmup_steps: by_cases(max(step - 1, 0), num_steps, warmup_steps),
        lambda step, num_steps, warmup_steps: 1 - by_cases(step, num_steps, warmup_steps),
    ],
)
def test_other_rates_are_refused(answer):
    verdict = training.rate_factor.judge(answer)
    assert verdict.status == "wrong" and "is wanted" in verdict.text, verdict


def halved_first(images):
    return (0.5 + images / 2).clip(0, 1)


def clipped_first(images):
    return images.clamp(-1, 1).add(1).div(2)


def with_minimum(images):
    return torch.minimum(torch.maximum(images, -torch.ones_like(images)), torch.ones_like(images)) / 2 + 0.5


def on_a_copy(images):
    result = images.clone()
    result += 1
    result /= 2
    result[result < 0] = 0
    result[result > 1] = 1
    return result


@pytest.mark.parametrize("answer", [halved_first, clipped_first, with_minimum, on_a_copy])
def test_the_display_may_be_written_otherwise(answer):
    verdict = training.to_picture.judge(answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda images: torch.from_numpy(to_display(images)), "Wrong shape"),
        (lambda images: halved_first(images).to(torch.uint8), "Wrong dtype"),
        (lambda images: halved_first(images).numpy(), "A tensor of shape"),
        (lambda images: torch.sigmoid(images), "Wrong values"),
        (lambda images: halved_first(images)[0], "Wrong shape"),
    ],
)
def test_other_displays_are_refused(answer, words):
    verdict = training.to_picture.judge(answer)
    assert verdict.status in ("wrong", "crashed") and words in verdict.text, verdict


def step_by_step(model, schedule, x_0, t, noise, context=None):
    shape = (-1, *[1] * (x_0.ndim - 1))
    alpha_bar = schedule.alpha_bar[t].float().view(shape)
    x_t = alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise
    gap = model(x_t, t / schedule.num_steps, c=context) - noise
    return gap.pow(2).mean(dim=tuple(range(1, gap.ndim)))


def with_torchs_own(model, schedule, x_0, t, noise, context):
    predicted = model(add_noise(schedule, x_0, t, noise), t / schedule.num_steps, context)
    losses = torch.nn.functional.mse_loss(predicted, noise, reduction="none")
    return torch.stack([one.mean() for one in losses])


@pytest.mark.parametrize("answer", [step_by_step, with_torchs_own])
def test_the_loss_may_be_written_otherwise(answer):
    verdict = training.loss.judge(answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda losses: losses.detach(), "carries no gradient"),
        (lambda losses: losses[:, None], "Wrong shape"),
        (lambda losses: losses * 1.1, "Wrong values"),
        (lambda losses: losses.tolist(), "A tensor of shape (5,) is wanted"),
    ],
)
def test_other_losses_are_refused(change, words):
    verdict = training.loss.judge(lambda **case: change(step_by_step(**case)))
    assert verdict.status == "wrong" and words in verdict.text, verdict
