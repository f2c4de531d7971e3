"""The samplers against exact denoisers, against each other, and what they promise their callers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_lib.guidance import clipped
from diffusion_lib.samplers import (
    ddim_step,
    ddim_times,
    ddpm_step,
    last,
    sample_ddim,
    sample_ddpm,
    standard_normal,
)
from diffusion_lib.schedule import NoiseSchedule, add_noise, predict_clean

F64 = torch.float64


class GaussianOracle:
    """Data N(mean, deviation^2): the best noise prediction E[noise | x_t] is known exactly."""

    def __init__(self, schedule, mean, deviation):
        self.schedule, self.mean, self.deviation = schedule, mean, deviation

    def variance(self, t):
        """Of x_t."""
        ab = self.schedule.alpha_bar[t].item()
        return ab * self.deviation**2 + 1 - ab

    def __call__(self, x_t, t):
        ab = self.schedule.alpha_bar[t].item()
        return math.sqrt(1 - ab) * (x_t - math.sqrt(ab) * self.mean) / self.variance(t)

    def step_coefficients(self, t, t_next, sigma2):
        """x_next = a x_t + b + sigma z, from E[x_0 | x_t] and the marginals alone (not from the library).

        x_next = sqrt(ab_n) x_0 + sqrt(1 - ab_n - sigma2) * noise, with both replaced by their means.
        """
        ab, ab_n = self.schedule.alpha_bar[t].item(), self.schedule.alpha_bar[t_next].item()
        gain = math.sqrt(ab) * self.deviation**2 / self.variance(t)  # E[x_0|x_t] = mean + gain (x_t - ...)
        clean = (gain, self.mean - gain * math.sqrt(ab) * self.mean)
        noise = tuple((one - math.sqrt(ab) * c) / math.sqrt(1 - ab) for one, c in zip((1, 0), clean))
        r = math.sqrt(max(1 - ab_n - sigma2, 0))
        return tuple(math.sqrt(ab_n) * c + r * n for c, n in zip(clean, noise))


ORACLES = [(0.8, 0.3), (-0.2, 1.0), (0.0, 2.0)]


def read_off(step):
    """The coefficients of an affine step: its value at 0, and the rise to its value at 1."""
    at = step(torch.tensor([0.0, 1.0], dtype=F64))
    return (at[1] - at[0]).item(), at[0].item()


def posterior_variance(schedule, t):
    ab, before = schedule.alpha_bar[t].item(), schedule.alpha_bar[t - 1].item()
    return (1 - before) / (1 - ab) * schedule.beta[t].item()


@pytest.mark.parametrize(("mean", "deviation"), ORACLES)
@pytest.mark.parametrize("make", [NoiseSchedule.linear, NoiseSchedule.cosine])
def test_each_ddpm_step_has_the_closed_forms_coefficients(make, mean, deviation):
    schedule = make(200)
    oracle, none = GaussianOracle(schedule, mean, deviation), torch.zeros(2, dtype=F64)
    for t in range(1, 201):
        got = read_off(lambda x: ddpm_step(schedule, x, t, oracle(x, t), none))
        expected = oracle.step_coefficients(t, t - 1, posterior_variance(schedule, t))
        assert got == pytest.approx(expected, abs=1e-8)
        for variance, value in (
            ("beta", schedule.beta[t].item() if t > 1 else 0),
            ("posterior", posterior_variance(schedule, t)),
        ):
            z = torch.tensor([0.0, 1.0], dtype=F64)
            noisy = ddpm_step(schedule, none, t, none, z, variance)
            assert (noisy[1] - noisy[0]).item() == pytest.approx(math.sqrt(value), abs=1e-8)


@pytest.mark.parametrize(("mean", "deviation"), ORACLES)
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("num_steps", [1, 7, 30, 200])
def test_each_ddim_step_has_the_closed_forms_coefficients(num_steps, eta, mean, deviation):
    schedule = NoiseSchedule.linear(200)
    oracle, none = GaussianOracle(schedule, mean, deviation), torch.zeros(2, dtype=F64)
    times = ddim_times(200, num_steps)
    for t, t_next in zip(times[:-1], times[1:]):
        ab, ab_n = schedule.alpha_bar[t].item(), schedule.alpha_bar[t_next].item()
        sigma2 = eta**2 * (1 - ab_n) / (1 - ab) * (1 - ab / ab_n)
        got = read_off(lambda x: ddim_step(schedule, x, t, t_next, oracle(x, t), eta, none))
        assert got == pytest.approx(oracle.step_coefficients(t, t_next, sigma2), abs=1e-8)
        z = torch.tensor([0.0, 1.0], dtype=F64)
        noisy = ddim_step(schedule, none, t, t_next, none, eta, z)
        assert (noisy[1] - noisy[0]).item() == pytest.approx(math.sqrt(sigma2), abs=1e-8)


def test_whole_chain_of_ddpm_is_the_exact_posterior_mean():
    """The means of all steps together give E[x_0 | x_T], so the brightness bias is -ab_T s^2 mean / V."""
    schedule = NoiseSchedule.linear(500)
    oracle, x = GaussianOracle(schedule, 0.8, 0.3), torch.tensor([0.0, 1.0], dtype=F64)
    for t in range(500, 0, -1):
        x = ddpm_step(schedule, x, t, oracle(x, t), torch.zeros_like(x))
    ab, v = schedule.alpha_bar[500].item(), oracle.variance(500)
    assert (x[1] - x[0]).item() == pytest.approx(math.sqrt(ab) * 0.3**2 / v, abs=1e-8)
    assert x[0].item() - 0.8 == pytest.approx(-ab * 0.3**2 * 0.8 / v, abs=1e-8)


@pytest.mark.parametrize(("mean", "deviation"), ORACLES)
@pytest.mark.parametrize(
    "sampler", ["ddpm beta", "ddpm posterior", "ddim 0", "ddim 0.5", "ddim 1", "ddim 0 of 25"]
)
def test_mean_and_variance_of_samples(sampler, mean, deviation, generator):
    """Against the closed form carried through the steps, within four standard errors."""
    schedule, n = NoiseSchedule.linear(120, 1e-3, 0.1), 20_000
    oracle = GaussianOracle(schedule, mean, deviation)
    x_T = torch.randn(n, generator=generator, dtype=F64)
    kind, value, *rest = sampler.split()
    times = ddim_times(120, int(rest[1]) if rest else 120)
    if kind == "ddpm":
        steps = sample_ddpm(oracle, schedule, x_T, variance=value, generator=generator)
    else:
        steps = sample_ddim(
            oracle, schedule, x_T, num_steps=len(times) - 1, eta=float(value), generator=generator
        )
    x_0 = last(steps)
    m, v = 0.0, 1.0
    for t, t_next in zip(times[:-1], times[1:]):
        ab, ab_n = schedule.alpha_bar[t].item(), schedule.alpha_bar[t_next].item()
        eta = float(value) if kind == "ddim" else 1.0
        sigma2 = eta**2 * (1 - ab_n) / (1 - ab) * (1 - ab / ab_n)
        a, b = oracle.step_coefficients(t, t_next, sigma2)
        if value == "beta":
            sigma2 = schedule.beta[t].item() if t > 1 else 0.0
        m, v = a * m + b, a * a * v + sigma2
    assert abs(x_0.mean().item() - m) < 4 * math.sqrt(v / n)
    assert abs(x_0.var().item() - v) < 4 * v * math.sqrt(2 / n)


def test_ddims_error_falls_in_proportion_to_the_step():
    """First order: twice the steps, half the error, against the exact flow from N(0,1) to the data."""
    schedule = NoiseSchedule.linear(8192, 1e-5, 0.0024)
    mean, deviation, x_T = 0.8, 0.5, torch.tensor([1.3], dtype=F64)
    oracle = GaussianOracle(schedule, mean, deviation)
    ab = schedule.alpha_bar[-1].item()
    exact = mean + deviation / math.sqrt(oracle.variance(8192)) * (x_T - math.sqrt(ab) * mean)
    errors = [
        (last(sample_ddim(oracle, schedule, x_T, num_steps=n)) - exact).abs().item()
        for n in (64, 128, 256, 512)
    ]
    for coarse, fine in zip(errors[:-1], errors[1:]):
        assert coarse / fine == pytest.approx(2, abs=0.2)


def mixture_noise(schedule, means, weights, deviation):
    """Exact noise prediction for a mixture of normals of one deviation."""

    def predict_noise(x_t, t):
        ab = schedule.alpha_bar[t].item()
        v = ab * deviation**2 + 1 - ab
        gaps = x_t[:, None] - math.sqrt(ab) * torch.tensor(means, dtype=F64)
        share = (torch.tensor(weights, dtype=F64).log() - gaps**2 / (2 * v)).softmax(dim=1)
        return math.sqrt(1 - ab) * (share * gaps).sum(dim=1) / v

    return predict_noise


@pytest.mark.parametrize("kind", ["ddpm", "ddim"])
def test_a_mixture_lands_in_its_proportions(kind, generator):
    schedule, n = NoiseSchedule.linear(400, 5e-4, 0.05), 8_000
    predict_noise = mixture_noise(schedule, means=(-1.0, 1.0), weights=(0.3, 0.7), deviation=0.1)
    x_T = torch.randn(n, generator=generator, dtype=F64)
    sampler = {"ddpm": sample_ddpm, "ddim": lambda *a, **k: sample_ddim(*a, num_steps=100, **k)}[kind]
    x_0 = last(sampler(predict_noise, schedule, x_T, generator=generator))
    assert (x_0 > 0).double().mean().item() == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / n))
    assert ((x_0.abs() - 1).abs() < 0.5).all()


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    num_steps=st.integers(1, 60),
    end=st.floats(0.01, 0.6),
    data=st.data(),
)
def test_ddpm_with_posterior_variance_is_ddim_with_eta_1(shape, num_steps, end, data):
    schedule = NoiseSchedule.linear(num_steps, 1e-4, end)
    t = data.draw(st.integers(1, num_steps))
    x, eps, z = torch.randn(3, *shape, dtype=F64, generator=torch.Generator().manual_seed(t))
    a = ddpm_step(schedule, x, t, eps, z, variance="posterior")
    b = ddim_step(schedule, x, t, t - 1, eps, eta=1.0, fresh_noise=z)
    assert a.shape == x.shape
    assert torch.allclose(a, b, atol=1e-7, rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(total=st.integers(1, 1200), data=st.data())
def test_ddim_visits_exactly_the_steps_it_promises(total, data):
    n = data.draw(st.integers(1, total))
    times = ddim_times(total, n)
    assert len(times) == n + 1 and times[0] == total and times[-1] == 0
    assert all(a > b for a, b in zip(times[:-1], times[1:]))


def test_the_counts_that_break_the_labs_stride():
    """Bug 3: T // n makes 32 evaluations for 30, ends at -12, makes 250 for 200, and crashes for 600."""
    schedule = NoiseSchedule.linear(500)
    for n in (1, 3, 30, 200, 499, 500):
        calls = []
        steps = list(
            sample_ddim(lambda x, t: calls.append(t) or x * 0, schedule, torch.zeros(1, 1), num_steps=n)
        )
        assert len(calls) == n and len(steps) == n + 1
        assert calls == [s.t for s in steps[:-1]] and min(calls) >= 1
        assert steps[-1].t == 0
    for n in (0, 501, 600, 2.5, True):
        with pytest.raises(ValueError, match=rf"num_steps must be a whole number in 1 \.\. 500, got {n}"):
            next(sample_ddim(lambda x, t: x, schedule, torch.zeros(1, 1), num_steps=n))


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_what_is_yielded(dtype, device, generator):
    if device.type == "mps" and dtype == F64:
        pytest.skip("MPS has no float64")
    schedule = NoiseSchedule.linear(10)
    x_T = torch.randn(2, 3, 4, 4, generator=generator, dtype=dtype).to(device)

    def predict_noise(x, t):
        return 0.1 * x

    for steps in (
        sample_ddpm(predict_noise, schedule, x_T, generator=generator),
        sample_ddim(predict_noise, schedule, x_T, num_steps=10, eta=0.5, generator=generator),
    ):
        steps = list(steps)
        assert [s.t for s in steps] == list(range(10, -1, -1))
        assert torch.equal(steps[0].x_t, x_T)
        for s in steps[:-1]:
            assert torch.equal(s.predicted_noise, 0.1 * s.x_t)
            again = add_noise(schedule, s.predicted_clean, s.t, s.predicted_noise)
            assert torch.allclose(again, s.x_t, atol=1e-5)
        final = steps[-1]
        assert final.predicted_noise is None and torch.equal(final.predicted_clean, final.x_t)
        assert final.x_t.dtype == dtype and final.x_t.device == x_T.device


@pytest.mark.parametrize("sample", [sample_ddpm, sample_ddim])
def test_the_clean_image_of_a_step_costs_nothing_until_it_is_asked_for(sample, monkeypatch):
    """DDIM works one out in its step, for itself. Of the steps that are yielded only one is asked here."""
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return predict_clean(*arguments)

    monkeypatch.setattr("diffusion_lib.samplers.predict_clean", counted)
    count = {"num_steps": 5} if sample is sample_ddim else {}
    steps = list(sample(lambda x, t: x, NoiseSchedule.linear(5), torch.zeros(1, 1), **count))
    assert len(calls) == (5 if sample is sample_ddim else 0)
    steps[2].predicted_clean  # noqa: B018
    assert len(calls) == (6 if sample is sample_ddim else 1)


def test_same_seed_same_image_and_the_global_state_is_left_alone(device):
    schedule, x_T = NoiseSchedule.linear(20), torch.randn(2, 1, 4, 4).to(device)

    def run(seed):
        generator = torch.Generator().manual_seed(seed)
        steps = sample_ddim(lambda x, t: x * 0.2, schedule, x_T, num_steps=20, eta=1.0, generator=generator)
        return last(steps)

    before = torch.get_rng_state()
    assert torch.equal(run(1), run(1)) and not torch.equal(run(1), run(2))
    assert torch.equal(torch.get_rng_state(), before)
    on_cpu = standard_normal(torch.zeros(3), torch.Generator().manual_seed(5))
    there = standard_normal(torch.zeros(3, device=device), torch.Generator().manual_seed(5))
    assert torch.equal(on_cpu, there.cpu())


def test_gradients_are_off_in_the_evaluation_and_on_in_between():
    schedule, weight = NoiseSchedule.linear(3), torch.ones(1, requires_grad=True)
    modes = []

    def predict_noise(x, t):
        modes.append(torch.is_grad_enabled())
        return weight * x

    for step in sample_ddpm(predict_noise, schedule, torch.ones(1, 1, requires_grad=True)):
        assert torch.is_grad_enabled()
        assert not step.x_t.requires_grad and not step.predicted_clean.requires_grad
    assert modes == [False] * 3


def test_no_noise_at_the_last_step_and_exact_noise_gives_the_image_back(schedule):
    """Bug 10 and bug 4: with the exact noise the step from t = 1 returns x_0 (0.3064 for 0.3 there)."""
    x_0, noise = torch.full((2, 1, 2, 2), 0.3, dtype=F64), torch.ones(2, 1, 2, 2, dtype=F64)
    x_1 = add_noise(schedule, x_0, 1, noise)
    for variance in ("beta", "posterior"):
        result = ddpm_step(schedule, x_1, 1, noise, torch.full_like(x_0, 100.0), variance)
        assert torch.allclose(result, x_0, atol=1e-12)
    assert torch.allclose(ddim_step(schedule, x_1, 1, 0, noise), x_0, atol=1e-12)


def test_a_t_for_each_image(schedule, generator, device):
    x, eps, z = torch.randn(3, 3, 1, 4, 4, generator=generator).to(device)
    t, t_next = torch.tensor([1, 250, 500], device=device), torch.tensor([0, 249, 20])
    for variance in ("beta", "posterior"):
        together = ddpm_step(schedule, x, t, eps, z, variance)
        for i in range(3):
            one = slice(i, i + 1)
            alone = ddpm_step(schedule, x[one], int(t[i]), eps[one], z[one], variance)
            assert torch.allclose(together[one], alone, atol=1e-6)
    together = ddim_step(schedule, x, t, t_next, eps, 0.7, z)
    for i in range(3):
        one = slice(i, i + 1)
        alone = ddim_step(schedule, x[one], int(t[i]), int(t_next[i]), eps[one], 0.7, z[one])
        assert torch.allclose(together[one], alone, atol=1e-6)


def test_inputs_are_not_changed(schedule, generator):
    tensors = torch.randn(3, 2, 1, 4, 4, generator=generator)
    before = tensors.clone()
    x, eps, z = tensors
    ddpm_step(schedule, x, 5, eps, z)
    ddim_step(schedule, x, 5, 2, eps, 0.5, z)
    clipped(lambda x_t, t: eps, schedule)(x, 5)
    assert torch.equal(tensors, before)


def test_wrong_arguments_of_a_step_are_refused(schedule):
    x = torch.zeros(2, 1, 4, 4)
    cases = [
        (lambda: ddpm_step(schedule, x, 0, x, x), r"t must lie in 1 \.\. 500, got 0"),
        (
            lambda: ddpm_step(schedule, x, 3, x, x, "small"),
            'variance must be "beta" or "posterior", got \'small\'',
        ),
        (lambda: ddpm_step(schedule, x, 3, x, x[:1]), "fresh_noise must have the shape of x_t"),
        (lambda: ddpm_step(schedule, x, 3, x[0], x), "predicted_noise must have the shape of x_t"),
        (lambda: ddim_step(schedule, x, 3, 3, x), "t_next must be smaller than t, got t_next = 3 and t = 3"),
        (lambda: ddim_step(schedule, x, 3, -1, x), r"t must lie in 0 \.\. 500, got -1"),
        (lambda: ddim_step(schedule, x, 3, 1, x, eta=1.5), "eta must lie between 0 and 1, got 1.5"),
        (lambda: ddim_step(schedule, x, 3, 1, x, eta=0.5), "fresh_noise must be given"),
        (lambda: ddim_step(schedule, x, 3, 1, x, 0.5, x[:1]), "fresh_noise must have the shape of x_t"),
        (lambda: last(iter(())), "the sampler yielded no step"),
        (
            lambda: last(sample_ddim(lambda x, t: x, schedule, x, eta=2)),
            "eta must lie between 0 and 1, got 2",
        ),
        (lambda: last(sample_ddpm(lambda x, t: x, schedule, x, variance="no")), 'variance must be "beta"'),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_clipped_keeps_the_clean_image_in_range(schedule, generator):
    x = torch.randn(4, 1, 4, 4, generator=generator, dtype=F64) * 3
    for t in (1, 100, 500, torch.tensor([1, 2, 3, 500])):
        raw = torch.randn(4, 1, 4, 4, generator=generator, dtype=F64)
        noise = clipped(lambda x_t, t: raw, schedule)(x, t)
        clean, unclipped = predict_clean(schedule, x, t, noise), predict_clean(schedule, x, t, raw)
        assert torch.allclose(clean, unclipped.clamp(-1, 1), atol=1e-9)
