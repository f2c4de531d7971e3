"""Step by step the same numbers as Hugging Face diffusers, on random schedules and inputs."""

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_lib.samplers import ddim_step, ddim_times, ddpm_step, standard_normal
from diffusion_lib.schedule import NoiseSchedule, add_noise

SHAPE = (2, 3, 4, 4)


def random_schedule(num_steps, seed):
    beta = 1e-4 + 0.3 * torch.rand(num_steps, generator=torch.Generator().manual_seed(seed)) ** 2
    return NoiseSchedule.from_beta(beta)


def theirs(kind, schedule, **options):
    """Their arrays start at our t = 1: their timestep is t - 1."""
    betas = schedule.beta[1:].numpy()
    scheduler = kind(
        num_train_timesteps=schedule.num_steps, trained_betas=betas, clip_sample=False, **options
    )
    assert scheduler.alphas_cumprod.dtype == torch.float32
    return scheduler


def close(ours, them):
    """They hold their tables in float32, so agreement ends there."""
    assert torch.allclose(ours.float(), them.float(), rtol=2e-4, atol=2e-4 * max(1, ours.abs().max().item()))


@settings(max_examples=40, deadline=None)
@given(
    num_steps=st.integers(2, 300),
    seed=st.integers(0, 10**6),
    variance=st.sampled_from(["beta", "posterior"]),
    data=st.data(),
)
def test_ddpm(num_steps, seed, variance, data):
    schedule = random_schedule(num_steps, seed)
    kind = {"beta": "fixed_large", "posterior": "fixed_small"}[variance]
    scheduler = theirs(DDPMScheduler, schedule, variance_type=kind)
    t = data.draw(st.sampled_from([1, 2, num_steps]) | st.integers(1, num_steps))
    generator = torch.Generator().manual_seed(seed)
    x_0, noise, predicted = torch.randn(3, *SHAPE, generator=generator)
    x_t = add_noise(schedule, x_0, t, noise)
    close(x_t, scheduler.add_noise(x_0, noise, torch.tensor([t - 1])))

    state = generator.get_state()
    them = scheduler.step(predicted, t - 1, x_t, generator=generator).prev_sample
    generator.set_state(state)
    close(ddpm_step(schedule, x_t, t, predicted, standard_normal(x_t, generator), variance), them)


@settings(max_examples=40, deadline=None)
@given(
    stride=st.integers(1, 20),
    count=st.integers(1, 25),
    seed=st.integers(0, 10**6),
    eta=st.sampled_from([0.0, 0.3, 1.0]) | st.floats(0, 1),
)
def test_ddim(stride, count, seed, eta):
    """Trailing spacing with a count that divides T; elsewhere theirs visits other steps."""
    schedule = random_schedule(stride * count, seed)
    scheduler = theirs(DDIMScheduler, schedule, timestep_spacing="trailing", set_alpha_to_one=True)
    scheduler.set_timesteps(count)
    times = ddim_times(schedule.num_steps, count)
    assert [t - 1 for t in times[:-1]] == scheduler.timesteps.tolist()
    generator = torch.Generator().manual_seed(seed)
    ours = them = torch.randn(SHAPE, generator=generator)
    for t, t_next in zip(times[:-1], times[1:]):
        predicted, z = torch.randn(2, *SHAPE, generator=generator)
        ours = ddim_step(schedule, ours, t, t_next, predicted, eta, z)
        them = scheduler.step(predicted, t - 1, them, eta=eta, variance_noise=z).prev_sample
        close(ours, them)
        them = ours  # compare steps, not the errors gathered over all of them
