"""The schedule, noising at once against noising step by step, and the way back."""

import math

import numpy as np
import pytest
import torch

from diffusion_lib.schedule import NoiseSchedule, add_noise, predict_clean, snr


def test_linear_follows_the_papers_index():
    s = NoiseSchedule.linear(num_steps=500, beta_start=1e-4, beta_end=0.02)
    assert s.num_steps == 500
    assert [len(a) for a in (s.beta, s.alpha, s.alpha_bar)] == [501, 501, 501]
    assert (s.beta[0], s.alpha_bar[0]) == (0, 1)
    assert s.beta[1].item() == 1e-4 and s.beta[500].item() == 0.02
    assert torch.equal(s.alpha, 1 - s.beta)
    product = 1.0
    for t in range(1, 501):
        product *= 1 - s.beta[t].item()
        assert math.isclose(s.alpha_bar[t].item(), product, rel_tol=1e-12)


def test_the_published_numbers():
    """SPEC: what is left of the image at T, and the strength of the noise at t = 1 and 100."""
    s = NoiseSchedule.linear()
    assert s.alpha_bar[500].sqrt().item() == pytest.approx(0.0797, abs=5e-5)
    assert NoiseSchedule.linear(1000).alpha_bar[1000].sqrt().item() == pytest.approx(0.006, abs=5e-4)
    assert NoiseSchedule.linear(500, 2e-4, 0.04).alpha_bar[500].sqrt().item() == pytest.approx(
        0.006, abs=5e-4
    )
    assert (1 - s.alpha_bar[1]).sqrt().item() == pytest.approx(0.01, rel=1e-6)
    assert (1 - s.alpha_bar[100]).sqrt().item() == pytest.approx(0.433, abs=5e-4)


def test_exp_of_summed_logs_is_the_product():
    """Why the reference takes exp(sum(log alpha)): in float64 it is the same number."""
    s = NoiseSchedule.linear(1000)
    assert torch.allclose(s.alpha.log().cumsum(0).exp(), s.alpha_bar, rtol=1e-12, atol=0)


def test_cosine_is_equation_17():
    s = NoiseSchedule.cosine(num_steps=200)

    def f(t):
        return math.cos((t / 200 + 0.008) / 1.008 * math.pi / 2) ** 2

    for t in (1, 17, 100, 190):
        assert s.alpha_bar[t].item() == pytest.approx(f(t) / f(0), rel=1e-9)
    assert s.beta.max().item() == 0.999


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NoiseSchedule.linear(0), "num_steps must be a whole number of at least 1, got 0"),
        (lambda: NoiseSchedule.linear(2.5), "num_steps must be a whole number of at least 1, got 2.5"),
        (lambda: NoiseSchedule.linear(beta_end=1.0), "each beta must lie between 0 and 1"),
        (lambda: NoiseSchedule.linear(beta_start=0.0), "each beta must lie between 0 and 1"),
        (lambda: NoiseSchedule.from_beta([0.1, float("nan")]), "each beta must lie between 0 and 1"),
        (lambda: NoiseSchedule.linear(1000, 1e-4, 0.999), "beta is too large: nothing at all is left"),
        (lambda: NoiseSchedule.from_beta([]), "beta must be a row of numbers"),
        (lambda: NoiseSchedule.from_beta([[0.1]]), "beta must be a row of numbers"),
    ],
)
def test_bad_schedules_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_schedule_is_frozen_and_moves(device):
    s = NoiseSchedule.linear()
    with pytest.raises(AttributeError):
        s.beta = s.alpha
    assert s.to(torch.float32).alpha_bar.dtype == torch.float32
    assert s.to(device).beta.device.type == device.type
    assert s.beta.dtype == torch.float64  # the first one stays as it was


def test_all_noise_at_once_equals_noise_step_by_step(generator):
    """Moments of x_t, for x_0 = 0.7, from 40,000 runs of x_t = sqrt(alpha) x_{t-1} + sqrt(beta) z."""
    s, n = NoiseSchedule.linear(num_steps=60, beta_start=1e-3, beta_end=0.1), 40_000
    x = torch.full((n,), 0.7, dtype=torch.float64)
    for t in range(1, s.num_steps + 1):
        z = torch.randn(n, generator=generator, dtype=torch.float64)
        x = s.alpha[t].sqrt() * x + s.beta[t].sqrt() * z
        if t in (1, 2, 20, 60):
            noise = torch.randn(n, generator=generator, dtype=torch.float64)
            at_once = add_noise(s, torch.full_like(x, 0.7), t, noise)
            error = (2 * x.var() / n).sqrt() * 4  # four standard errors of a difference of means
            assert abs(x.mean() - at_once.mean()) < error
            assert abs(x.var() / at_once.var() - 1) < 4 * 2 / math.sqrt(n)


def test_noise_keeps_the_variance(generator):
    """Data of variance 1 stays at variance 1 for every t: the bug without the root loses up to half."""
    s, x_0 = NoiseSchedule.linear(), torch.randn(50_000, generator=generator)
    for t in (1, 100, 250, 500):
        x_t = add_noise(s, x_0, t, torch.randn(50_000, generator=generator))
        assert x_t.var().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_predict_clean_undoes_add_noise(dtype, device, generator):
    if device.type == "mps" and dtype == torch.float64:
        pytest.skip("MPS has no float64")
    s = NoiseSchedule.linear()
    x_0, noise = torch.randn(2, 4, 3, 8, 8, generator=generator, dtype=dtype).to(device)
    for t in (0, 1, 250, 500, torch.tensor([0, 1, 250, 500], device=device)):
        x_t = add_noise(s, x_0, t, noise)
        assert x_t.dtype == dtype and x_t.device == x_0.device
        back = predict_clean(s, x_t, t, noise)
        assert torch.allclose(back, x_0, atol=2e-5 if dtype == torch.float32 else 1e-12)
    assert torch.equal(add_noise(s, x_0, 0, noise), x_0)


def test_one_t_for_all_equals_a_t_for_each(schedule, generator):
    x_0, noise = torch.randn(2, 3, 1, 8, 8, generator=generator)
    t = torch.tensor([500, 1, 77])
    together = add_noise(schedule, x_0, t, noise)
    for i in range(3):
        single = add_noise(schedule, x_0[i : i + 1], int(t[i]), noise[i : i + 1])
        assert torch.equal(together[i : i + 1], single)
    assert torch.equal(add_noise(schedule, x_0, torch.tensor(77), noise), add_noise(schedule, x_0, 77, noise))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_small_steps_keep_their_digits(dtype):
    """1 - alpha_bar_1 = 1e-6 is lost if alpha_bar is rounded to the images' dtype before it is subtracted."""
    s = NoiseSchedule.linear(500, beta_start=1e-6)
    noise = torch.full((1, 1, 1, 1), 1.0, dtype=dtype)
    x_1 = add_noise(s, torch.zeros_like(noise), 1, noise)
    assert x_1.dtype == dtype and x_1.item() == pytest.approx(1e-3, rel=2 * torch.finfo(dtype).eps)


def test_t_may_lie_on_another_device_and_be_numpys(schedule, device):
    t = torch.tensor([1, 100], device=device)
    assert torch.equal(snr(schedule, t).cpu(), snr(schedule, t.cpu()))
    x = torch.ones(2, 1, 2, 2, device=device)
    assert torch.allclose(add_noise(schedule, x, t, x).cpu(), add_noise(schedule, x.cpu(), t.cpu(), x.cpu()))
    assert torch.equal(add_noise(schedule, x, np.int64(3), x), add_noise(schedule, x, 3, x))


def test_a_single_step_in_floats_is_a_row_of_many(schedule):
    for t in (0, 1, 7, schedule.num_steps):
        one, many = schedule.at(t), schedule.at(torch.tensor([t, t]))
        for name in ("beta", "alpha", "alpha_bar"):
            assert type(getattr(one, name)) is float
            assert getattr(many, name).tolist() == [getattr(one, name)] * 2
            assert getattr(schedule, name)[t].item() == getattr(one, name)
    assert schedule.at(np.int64(7)) == schedule.at(7), "NumPy's integers are welcome"
    assert schedule.at(torch.tensor(7)).beta.shape == ()
    small = schedule.to(torch.float32)
    assert small.at(7).alpha_bar == small.alpha_bar[7].item() != schedule.at(7).alpha_bar
    with pytest.raises(ValueError, match="t must lie in 1 .. "):
        schedule.at(0, lowest=1)


def test_snr(schedule):
    assert snr(schedule, 0).item() == math.inf
    ratio = snr(schedule, torch.arange(1, 501))
    assert (ratio[1:] < ratio[:-1]).all()
    assert ratio[99].item() == pytest.approx((1 - 0.4331**2) / 0.4331**2, rel=1e-3)


@pytest.mark.parametrize(
    ("t", "message"),
    [
        (-1, r"t must lie in 0 \.\. 500, got -1"),
        (501, r"t must lie in 0 \.\. 500, got 501"),
        (2.0, "t must be an int or a LongTensor"),
        (True, "t must be an int or a LongTensor"),
        (torch.tensor([1, 501]), r"t must lie in 0 \.\. 500, got 501"),
        (torch.tensor([0.5, 1.0]), "t must be an int or a LongTensor"),
        (torch.tensor([[1, 2]]), "t must be an int or a LongTensor"),
        (torch.tensor([1, 2, 3]), "t must have one entry for each of the 2 images, got 3"),
    ],
)
def test_bad_t_is_refused(schedule, t, message):
    x = torch.zeros(2, 1, 4, 4)
    for function in (add_noise, predict_clean):
        with pytest.raises(ValueError, match=message):
            function(schedule, x, t, x)


def test_noise_of_another_shape_is_refused(schedule):
    with pytest.raises(
        ValueError, match=r"noise must have the shape of x_0, \(2, 3, 4, 4\), got \(3, 4, 4\)"
    ):
        add_noise(schedule, torch.zeros(2, 3, 4, 4), 1, torch.zeros(3, 4, 4))
