"""The exact denoiser of a known data set: against a sum written out, and through the samplers."""

import pytest
import torch

from diffusion_lib.samplers import last, sample_ddim, sample_ddpm
from diffusion_lib.schedule import NoiseSchedule, add_noise
from diffusion_lib.toy import exact_clean, exact_noise, islands, score, spiral

SCHEDULE = NoiseSchedule.linear(500, 2e-4, 0.04)


def test_the_clouds():
    points = spiral(300)
    assert points.shape == (300, 2) and points.abs().max() <= 1
    assert points.mean(dim=0).abs().max() < 1e-5
    cloud, group = islands(5, 40)
    assert cloud.shape == (200, 2) and group.bincount().tolist() == [40] * 5
    assert torch.equal(cloud, islands(5, 40)[0])


@pytest.mark.parametrize("t", [1, 50, 250, 500])
def test_it_is_bayes_rule(t, generator):
    data = spiral(20).double()
    x_t = add_noise(SCHEDULE, data[:6], t, torch.randn(6, 2, generator=generator, dtype=torch.float64))
    alpha_bar = SCHEDULE.alpha_bar[t]
    for row, clean in zip(x_t, exact_clean(SCHEDULE, data, x_t, t)):
        likelihood = torch.distributions.Normal(alpha_bar.sqrt() * data, (1 - alpha_bar).sqrt())
        weights = likelihood.log_prob(row).sum(dim=1).softmax(dim=0)
        assert torch.allclose(clean, weights @ data, atol=1e-9)


@pytest.mark.parametrize("t", [5, 250])
def test_the_score_is_the_gradient_of_the_log_density(t):
    data = spiral(20).double()
    x_t = torch.tensor([[0.3, -0.2], [0.9, 0.1]], dtype=torch.float64, requires_grad=True)
    alpha_bar = SCHEDULE.alpha_bar[t]
    component = torch.distributions.Normal(alpha_bar.sqrt() * data, (1 - alpha_bar).sqrt())
    density = component.log_prob(x_t[:, None]).sum(dim=2).logsumexp(dim=1).sum()
    (gradient,) = torch.autograd.grad(density, x_t)
    x_t = x_t.detach()
    assert torch.allclose(score(SCHEDULE, x_t, t, exact_noise(SCHEDULE, data)(x_t, t)), gradient, atol=1e-6)


def test_t_may_differ_by_row_and_images_work(generator):
    images = torch.rand(7, 3, 8, 8, generator=generator)
    t = torch.tensor([1, 100, 500])
    x_t = add_noise(SCHEDULE, images[:3], t, torch.randn(3, 3, 8, 8, generator=generator))
    predict_noise = exact_noise(SCHEDULE, images)
    together = predict_noise(x_t, t)
    assert together.shape == x_t.shape
    for i in range(3):
        assert torch.allclose(predict_noise(x_t[i : i + 1], int(t[i]))[0], together[i], atol=1e-4)


def test_samples_land_on_the_data(generator):
    data, _ = islands()
    predict_noise = exact_noise(SCHEDULE, data)
    x_T = torch.randn(100, 2, generator=generator)
    for steps in (
        sample_ddpm(predict_noise, SCHEDULE, x_T, generator=generator),
        sample_ddim(predict_noise, SCHEDULE, x_T, num_steps=100),
    ):
        nearest = torch.cdist(last(steps), data).min(dim=1).values
        assert nearest.max() < 0.05  # the noise at t = 1 is 0.014; islands lie 0.94 apart
