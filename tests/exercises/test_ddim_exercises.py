"""Lesson 06's exercises: other right answers are right, and wrong ones get the sentence that helps."""

import math

import numpy as np
import pytest
import torch

from diffusion_lib.exercises import ddim as exercises
from diffusion_lib.exercises.ddim_mistakes import TIMES_SAY
from diffusion_lib.samplers import ddim_step, ddim_times
from diffusion_lib.schedule import NoiseSchedule

# Times


def rounded_down(total, n):
    return [total * (n - i) // n for i in range(n + 1)]


def rounded_up(total, n):
    return tuple(-(-total * (n - i) // n) for i in range(n + 1))


def from_torch(total, n):
    return torch.linspace(total, 0, n + 1, dtype=torch.float64).round().long()


def from_numpy(total, n):
    return np.linspace(0, total, n + 1).round().astype(int)[::-1]


def appended(total, n):
    times = []
    for i in range(n):
        times.append(total - round(i * total / n))
    return times + [0]


@pytest.mark.parametrize(
    "answer",
    [rounded_down, rounded_up, from_torch, from_numpy, appended, ddim_times],
    ids=lambda f: f.__name__,
)
def test_every_even_list_of_times_is_right(answer):
    verdict = exercises.times.judge(answer)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda total, n: [], "start"),
        (lambda total, n: [total], "zero"),
        (lambda total, n: list(range(total, -1, -(total // n))), "count"),
        (lambda total, n: [round(total * (n - i) / n) - 1 for i in range(n + 1)], "wrap"),
        (lambda total, n: sorted(ddim_times(total, n)), "grows"),
        (lambda total, n: [total, *ddim_times(total, n)[1:-1], 0.5], "whole"),
        (lambda total, n: [total, *ddim_times(total - 1, n - 1)[1:]] if n > 1 else [total], "fewer"),
        (lambda total, n: np.linspace(total, 0, n).astype(int), "fewer"),
        (lambda total, n: [*range(total, 0, -math.ceil(total / n)), 0], "fewer"),
        (lambda total, n: list(zip(ddim_times(total, n)[:-1], ddim_times(total, n)[1:])), "pairs"),
    ],
)  # fmt: skip
def test_other_wrong_times(answer, says):
    assert exercises.times.judge(answer).text == TIMES_SAY[says]


def test_the_times_of_the_reference_are_the_librarys():
    for total, n in ((500, 30), (500, 200), (1000, 7)):
        assert exercises.times.reference(total, n) == ddim_times(total, n)


# Slerp


def by_loop(a, b, fraction):
    """One image after the other."""
    results = []
    for one, other in zip(a, b):
        angle = torch.acos((one * other).sum() / (one.norm() * other.norm()))
        weights = torch.sin((1 - fraction) * angle), torch.sin(fraction * angle)
        results.append((weights[0] * one + weights[1] * other) / torch.sin(angle))
    return torch.stack(results)


def in_float64(a, b, fraction):
    x, y = a.double().flatten(1), b.double().flatten(1)
    angle = torch.arccos(torch.cosine_similarity(x, y, dim=1))[:, None]
    arc = (torch.sin((1 - fraction) * angle) * x + torch.sin(fraction * angle) * y) / torch.sin(angle)
    return arc.to(a.dtype).view_as(a)


def by_einsum(a, b, fraction):
    product = torch.einsum("b...,b...->b", a, b)
    lengths = torch.einsum("b...,b...->b", a, a).sqrt() * torch.einsum("b...,b...->b", b, b).sqrt()
    angle = (product / lengths).clamp(-1, 1).acos().reshape(len(a), *(1,) * (a.dim() - 1))
    return ((1 - fraction) * angle).sin() / angle.sin() * a + (fraction * angle).sin() / angle.sin() * b


def by_tangent(a, b, fraction):
    """The same weights in another form: sin((1 - f) w) / sin w = cos(f w) - cos w / sin w * sin(f w)."""
    shape = (-1, *[1] * (a.ndim - 1))
    angle = torch.arccos(torch.cosine_similarity(a.flatten(1), b.flatten(1))).view(shape)
    share = torch.sin(fraction * angle) / torch.sin(angle)
    return (torch.cos(fraction * angle) - torch.cos(angle) * share) * a + share * b


@pytest.mark.parametrize(
    "answer", [by_loop, in_float64, by_einsum, by_tangent], ids=lambda f: f.__name__
)  # fmt: skip
def test_every_slerp_is_right(answer):
    verdict = exercises.slerp.judge(answer)
    assert verdict.status == "right", verdict.text


def test_slerps_without_words_of_their_own():
    def one_length(a, b, fraction):  # of both ends, over the whole batch
        cosine = (a * b).flatten(1).sum(dim=1) / (a.norm() * b.norm())
        angle = torch.arccos(cosine).view(-1, *[1] * (a.ndim - 1))
        return (torch.sin((1 - fraction) * angle) * a + torch.sin(fraction * angle) * b) / torch.sin(angle)

    def in_place(a, b, fraction):
        return a.copy_(exercises.slerp.reference(a, b, fraction))

    assert "the lengths are those of the whole batch" in exercises.slerp.judge(one_length).text.lower()
    assert "a is changed on the way" in exercises.slerp.judge(in_place).text


def test_slerp_keeps_the_length_and_the_even_angle():
    a, b = torch.randn(2, 4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    b = b / b.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * a.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    whole = torch.arccos(torch.cosine_similarity(a.flatten(1), b.flatten(1)))
    for fraction in (0.1, 0.5, 0.9):
        x = exercises.slerp.reference(a, b, fraction)
        assert torch.allclose(x.flatten(1).norm(dim=1), a.flatten(1).norm(dim=1))
        angle = torch.arccos(torch.cosine_similarity(a.flatten(1), x.flatten(1)))
        assert torch.allclose(angle, fraction * whole)


# Sigma


def by_product(schedule, t, t_next):
    return torch.stack([(1 - schedule.alpha[n + 1 : i + 1].prod()) ** 0.5 for i, n in zip(t, t_next)])


def one_fraction(schedule, t, t_next):
    alpha_bar = schedule.alpha_bar
    return ((alpha_bar[t_next] - alpha_bar[t]) / alpha_bar[t_next]).sqrt()


def by_logarithm(schedule, t, t_next):
    return torch.sqrt(-torch.expm1(schedule.alpha_bar[t].log() - schedule.alpha_bar[t_next].log()))


def from_eq_16(schedule, t, t_next):
    """sigma of eta = 1 over its first factor; where that is 0, at t_next = 0, all the noise is added."""
    ab, after = schedule.alpha_bar[t], schedule.alpha_bar[t_next]
    return torch.where(t_next == 0, (1 - ab).sqrt(), torch.sqrt(1 - ab / after))


@pytest.mark.parametrize(
    "answer", [by_product, one_fraction, by_logarithm, from_eq_16], ids=lambda f: f.__name__
)  # fmt: skip
def test_every_sigma_hat_is_right(answer):
    verdict = exercises.sigma_hat.judge(answer)
    assert verdict.status == "right", verdict.text


def test_wrong_forms_of_sigma_hat():
    reference = exercises.sigma_hat.reference
    in_float32 = exercises.sigma_hat.judge(lambda schedule, t, t_next: reference(schedule, t, t_next).float())
    assert "Wrong dtype" in in_float32.text
    number = exercises.sigma_hat.judge(lambda schedule, t, t_next: reference(schedule, t, t_next)[0].item())
    assert "A tensor of shape (3,) is wanted, got float" in number.text


def test_sigma_hat_is_the_noise_of_the_steps_between():
    """sqrt(beta_t) over one step; over many it turns x_next's marginal into that of x_t."""
    schedule = NoiseSchedule.linear()
    t = torch.arange(1, 501)
    one = exercises.sigma_hat.reference(schedule, t, t - 1)
    assert torch.allclose(one, schedule.beta[1:].sqrt())
    t, t_next = torch.tensor([300]), torch.tensor([250])
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[t_next]
    far = exercises.sigma_hat.reference(schedule, t, t_next)
    assert torch.allclose(kept * (1 - schedule.alpha_bar[t_next]) + far**2, 1 - schedule.alpha_bar[t])


# The choices, held to what the library does


def test_what_eta_changes():
    schedule = NoiseSchedule.linear()
    x = torch.zeros(1, 2, dtype=torch.float64)
    noise = torch.ones_like(x)
    without = ddim_step(schedule, x, 475, 450, x, 0.0)
    assert not torch.allclose(ddim_step(schedule, x, 475, 450, x, 1.0, noise), without)  # b, not a
    assert torch.equal(
        ddim_step(schedule, x, 25, 0, x, 1.0, noise), ddim_step(schedule, x, 25, 0, x)
    )  # not e
    for letter in "acde":
        assert exercises.predict_eta.judge(letter).status == "wrong"
    assert exercises.predict_eta.judge(" B").status == "right"


def test_x0_pred_is_the_first_term_and_not_the_prediction():
    """The labs' line on a known image: dividing by the square root at the step it goes to gives it back."""
    ab, clean = NoiseSchedule.linear().alpha_bar, 0.7
    t, s, noise = 400, 350, -1.1
    x = math.sqrt(ab[t]) * clean + math.sqrt(1 - ab[t]) * noise
    x0_pred = math.sqrt(ab[s]) / math.sqrt(ab[t]) * (x - math.sqrt(1 - ab[t]) * noise)
    assert x0_pred / math.sqrt(ab[s]) == pytest.approx(clean)
    assert abs(x0_pred / math.sqrt(ab[t]) - clean) > 0.1 and abs(x0_pred - clean) > 0.1
    assert exercises.x0_pred.reference == "b"
