"""Lesson 02: other right ways to answer, and more wrong ones. What holds for each exercise is in test_all."""

import pytest
import torch

from diffusion_lib.checks import NOT_ATTEMPTED
from diffusion_lib.exercises import forward_noising as exercises
from diffusion_lib.exercises.lab_schedule import lab_schedule
from diffusion_lib.schedule import NoiseSchedule, add_noise, per_image, predict_clean, snr


def _product_of_alphas(schedule, x_s, s, t, noise):
    kept = schedule.alpha[s + 1 : t + 1].prod()
    return torch.sqrt(kept) * x_s + torch.sqrt(1 - kept) * noise


def _in_float32(schedule, x_s, s, t, noise):
    schedule = schedule.to(torch.float32)
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    return kept**0.5 * x_s + (1 - kept) ** 0.5 * noise


def _by_exp_of_sum(schedule, x_s, s, t, noise):
    kept = schedule.alpha[s + 1 : t + 1].log().sum().exp().item()
    return kept**0.5 * x_s + (1 - kept) ** 0.5 * noise


def _shorter_schedule(schedule, x_s, s, t, noise):
    rest = NoiseSchedule.from_beta(schedule.beta[s + 1 :])
    return add_noise(rest, x_s, t - s, noise)


def _variance_that_is_missing(schedule, x_s, s, t, noise):
    before, after = schedule.alpha_bar[s], schedule.alpha_bar[t]
    image = (after / before).sqrt()
    return torch.add(image * x_s, noise * (1 - after - image**2 * (1 - before)).sqrt())


@pytest.mark.parametrize(
    "answer",
    [_product_of_alphas, _in_float32, _by_exp_of_sum, _shorter_schedule, _variance_that_is_missing],
)
def test_other_ways_to_noise_further(answer):
    verdict = exercises.noise_further.judge(answer)
    assert verdict.status == "right", verdict.text


def test_the_steps_one_by_one_are_right_in_distribution_only():
    """Fresh noise at each step is not what the task asks for: the noise is given."""

    def one_by_one(schedule, x_s, s, t, noise):
        x = x_s
        for step in range(s + 1, t + 1):
            x = schedule.alpha[step].sqrt() * x + schedule.beta[step].sqrt() * torch.randn_like(x)
        return x

    assert exercises.noise_further.judge(one_by_one).status == "wrong"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda schedule, x_s, s, t, noise: x_s + noise, "wrong"),
        (lambda schedule, x_s, s, t, noise: add_noise(schedule, x_s, t - s, noise), "wrong"),
        (lambda schedule, x_s, s, t, noise: _product_of_alphas(schedule, x_s, s, t, noise).double(), "wrong"),
        (lambda schedule, x_s, s, t, noise: _product_of_alphas(schedule, x_s, s, t, noise).half(), "wrong"),
        (lambda schedule, x_s: x_s, "crashed"),
        (lambda schedule, x_s, s, t, noise: ..., "not attempted"),
    ],
)
def test_wrong_ways_to_noise_further(answer, status):
    assert exercises.noise_further.judge(answer).status == status


def test_a_step_that_only_ever_starts_at_x_0_is_wrong():
    """add_noise itself is right on the cases with s = 0 alone, and named on the others."""
    answer = lambda schedule, x_s, s, t, noise: add_noise(schedule, x_s, t, noise)  # noqa: E731
    assert "the clean image" in exercises.noise_further.judge(answer).text
    assert any(case["s"] == 0 for case in exercises.noise_further.cases())


def _four_axes(schedule, x_0, x_t, t):
    alpha_bar = schedule.alpha_bar[t][:, None, None, None].to(x_0.dtype)
    return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()


def _one_by_one(schedule, x_0, x_t, t):
    bars = [schedule.alpha_bar[int(step)] for step in t]
    return torch.stack([(x - bar.sqrt() * c) / (1 - bar).sqrt() for x, c, bar in zip(x_t, x_0, bars)])


def _by_axes(schedule, x_0, x_t, t):
    bar = schedule.alpha_bar.to(x_0.dtype)[t].reshape(len(t), *[1] * (x_0.ndim - 1))
    return (x_t - bar**0.5 * x_0) / (1 - bar) ** 0.5


def _by_snr(schedule, x_0, x_t, t):
    deviation = (1 - schedule.alpha_bar[t]).sqrt()
    return x_t / per_image(deviation, x_t) - per_image(snr(schedule, t).sqrt(), x_0) * x_0


def _by_difference(schedule, x_0, x_t, t):
    without = add_noise(schedule, x_0, t, torch.zeros_like(x_0))
    return torch.div(x_t - without, per_image((1 - schedule.alpha_bar[t]).sqrt(), x_t))


@pytest.mark.parametrize("answer", [_four_axes, _one_by_one, _by_axes, _by_snr, _by_difference])
def test_other_ways_to_find_the_noise(answer):
    verdict = exercises.added_noise.judge(answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize(
    "answer",
    [
        lambda schedule, x_0, x_t, t: x_t - x_0,
        lambda schedule, x_0, x_t, t: x_0,
        lambda schedule, x_0, x_t, t: predict_clean(schedule, x_t, t, x_0),
        lambda schedule, x_0, x_t, t: torch.randn_like(x_0),
    ],
)
def test_wrong_ways_to_find_the_noise(answer):
    assert exercises.added_noise.judge(answer).status == "wrong"


def test_one_number_an_image_along_the_columns_is_named_also_where_it_runs():
    """With as many images as columns it raises nothing: a check with such a case alone must see it, too."""

    def along_columns(schedule, x_0, x_t, t):
        alpha_bar = schedule.alpha_bar[t].to(x_0.dtype)
        return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    square = next(case for case in exercises.added_noise.cases() if len(case["x_0"]) == case["x_0"].shape[-1])
    along_columns(**square)
    assert "last axis" in exercises.added_noise.judge(along_columns).text


def _with_beta_from_index_1(num_steps, beta_1, beta_2):
    schedule = NoiseSchedule.linear(num_steps, beta_1, beta_2)
    return schedule.beta, schedule.alpha, schedule.alpha_bar


def _divided(num_steps, beta_1, beta_2):
    beta, alpha, _ = lab_schedule(num_steps, beta_1, beta_2)
    alpha_bar = alpha.cumprod(dim=0)
    return beta, alpha, alpha_bar / alpha_bar[0]


def _from_one(num_steps, beta_1, beta_2):
    beta, alpha, _ = lab_schedule(num_steps, beta_1, beta_2)
    return beta, alpha, torch.cat([torch.ones(1), alpha[1:].cumprod(dim=0)])


def _alpha_0_is_1(num_steps, beta_1, beta_2):
    beta, alpha, _ = lab_schedule(num_steps, beta_1, beta_2)
    alpha[0] = 1
    return [beta, alpha, alpha.log().cumsum(dim=0).exp()]


def _small_numbers(num_steps, beta_1, beta_2):
    beta = torch.linspace(beta_1, beta_2, num_steps + 1)
    beta[0] = 0
    return beta, 1 - beta, (1 - beta).cumprod(dim=0)


@pytest.mark.parametrize(
    "answer", [_with_beta_from_index_1, _divided, _from_one, _alpha_0_is_1, _small_numbers]
)
def test_other_ways_to_mend_the_schedule(answer):
    verdict = exercises.mended_schedule.judge(answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda *a: lab_schedule(*a)[2], "Three tensors"),
        (lambda *a: (*lab_schedule(*a)[:2], 1 - lab_schedule(*a)[2]), "alpha_bar[0] must be 1"),
        (lambda *a: (*lab_schedule(*a)[:2], torch.ones(a[0] + 1)), "is not the product"),
        (lambda *a: tuple(1 * x if i != 1 else x.sqrt() for i, x in enumerate(lab_schedule(*a))), "1 - beta"),
    ],
)
def test_wrong_ways_to_mend_the_schedule(answer, says):
    verdict = exercises.mended_schedule.judge(answer)
    assert verdict.status == "wrong" and says in verdict.text


def test_the_faulty_schedule_has_the_symptom_that_the_lesson_names():
    beta, alpha, alpha_bar = lab_schedule(500, 1e-4, 0.02)
    x_1 = alpha_bar[1].sqrt() * 0.3 + (1 - alpha_bar[1]).sqrt()
    x_0 = (x_1 - beta[1] / (1 - alpha_bar[1]).sqrt()) / alpha[1].sqrt()
    assert x_0.item() == pytest.approx(0.3064, abs=5e-5)
    beta, alpha, alpha_bar = exercises.mended_schedule.reference(500, 1e-4, 0.02)
    x_1 = alpha_bar[1].sqrt() * 0.3 + (1 - alpha_bar[1]).sqrt()
    assert ((x_1 - beta[1] / (1 - alpha_bar[1]).sqrt()) / alpha[1].sqrt()).item() == pytest.approx(0.3)


def test_the_predictions_are_what_the_library_does():
    schedule = NoiseSchedule.linear()
    ratios = snr(schedule, torch.arange(1, 501))
    assert int((ratios < 1).nonzero()[0]) + 1 == 185 and "185" in exercises.half_way.options["b"]
    variance = schedule.alpha_bar + (1 - schedule.alpha_bar) ** 2
    assert variance.min().item() == pytest.approx(0.75, abs=1e-3)
    assert "0.75" in exercises.missing_root.options[exercises.missing_root.reference]


@pytest.mark.parametrize("answer", [" B ", "B"])
def test_a_letter_may_be_written_large(answer):
    assert exercises.half_way.judge(answer).status == "right"
    assert exercises.missing_root.judge("e").text.startswith("The answer must be one of")
    assert exercises.half_way.judge(...).text == NOT_ATTEMPTED
