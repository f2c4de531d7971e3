"""From noise to images: one step of DDPM and of DDIM, and the two loops around them.

A loop is a generator: it yields what it knows at each step, and the caller decides what to keep.
What it calls is any `predict_noise(x_t, t) -> noise`; see guidance.py for the one around a network.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .schedule import NoiseSchedule, check_same_shape, per_image, predict_clean

PredictNoise = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True, eq=False)
class SamplingStep:
    """One network evaluation: at step t of this schedule, on x_t (batch, ...), it predicted this noise.

    The last one of a loop has t = 0, the finished image as x_t, and no noise.
    """

    t: int
    x_t: Tensor
    predicted_noise: Tensor | None
    schedule: NoiseSchedule

    @property
    def predicted_clean(self) -> Tensor:
        """The clean image that the noise implies, (batch, ...), computed when asked for; at t = 0 x_t."""
        if self.predicted_noise is None:
            return self.x_t
        return predict_clean(self.schedule, self.x_t, self.t, self.predicted_noise)


def ddpm_step(
    schedule: NoiseSchedule, x_t: Tensor, t, predicted_noise: Tensor, fresh_noise: Tensor, variance="beta"
) -> Tensor:
    """x_{t-1}: the mean of the reverse step, plus noise of its variance, none at t = 1.

    x_{t-1} = (x_t - beta_t / sqrt(1 - alpha_bar_t) * predicted_noise) / sqrt(alpha_t) + sigma_t * z
    (DDPM, algorithm 2, line 4), where sigma_t^2 is beta_t (variance="beta") or the variance of
    q(x_{t-1} | x_t, x_0), (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) * beta_t ("posterior", eq. 7).

    Tensors (batch, ...) of one shape, z = fresh_noise standard normal; t in 1 .. T, an int or a
    LongTensor (batch,). Raises ValueError for another variance, t or shape.
    """
    if variance not in ("beta", "posterior"):
        raise ValueError(f'variance must be "beta" or "posterior", got {variance!r}')
    beta, alpha, alpha_bar = schedule.at(t, lowest=1)
    alpha_bar_before = schedule.at(t - 1).alpha_bar
    check_same_shape(x_t=x_t, predicted_noise=predicted_noise, fresh_noise=fresh_noise)
    noise_share = per_image(beta / (1 - alpha_bar) ** 0.5, x_t)
    mean = (x_t - noise_share * predicted_noise) / per_image(alpha**0.5, x_t)
    posterior = (1 - alpha_bar_before) / (1 - alpha_bar) * beta
    sigma_squared = beta if variance == "beta" else posterior
    sigma_squared = sigma_squared * (alpha_bar_before < 1)  # times 0 at t = 1, where x_0 is next
    return mean + per_image(sigma_squared**0.5, x_t) * fresh_noise


def ddim_step(
    schedule: NoiseSchedule, x_t: Tensor, t, t_next, predicted_noise: Tensor, eta=0.0, fresh_noise=None
) -> Tensor:
    """x at t_next, any step below t: the predicted clean image, noised again to that level.

    x_next = sqrt(ab_next) * x_0 + sqrt(1 - ab_next - sigma^2) * predicted_noise + sigma * z
    (DDIM, eq. 12; its alpha is alpha_bar here, ab), x_0 = predict_clean(x_t), and
    sigma = eta * sqrt((1 - ab_next) / (1 - ab_t)) * sqrt(1 - ab_t / ab_next)   (eq. 16).

    eta = 0 adds no noise; eta = 1 with t_next = t - 1 is DDPM with the posterior variance.
    Tensors (batch, ...) of one shape; t and t_next ints or LongTensors (batch,), 0 <= t_next < t <= T.
    Raises ValueError for an eta outside 0 .. 1, for eta > 0 without fresh_noise, for wrong t or shapes.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie between 0 and 1, got {eta}")
    predicted_clean = predict_clean(schedule, x_t, t, predicted_noise)
    t, t_next = schedule.index(t, lowest=1), schedule.index(t_next)
    alpha_bar, alpha_bar_next = schedule.at(t).alpha_bar, schedule.at(t_next).alpha_bar
    in_order = t_next < t
    if not (in_order.all() if isinstance(in_order, Tensor) else in_order):
        raise ValueError(f"t_next must be smaller than t, got t_next = {t_next} and t = {t}")
    sigma = eta * ((1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)) ** 0.5
    direction = abs(1 - alpha_bar_next - sigma**2) ** 0.5  # abs: rounding may end just below 0
    x_next = per_image(alpha_bar_next**0.5, x_t) * predicted_clean
    x_next = x_next + per_image(direction, x_t) * predicted_noise
    if eta == 0:
        return x_next
    if fresh_noise is None:
        raise ValueError(f"eta = {eta} adds noise: fresh_noise must be given")
    check_same_shape(x_t=x_t, fresh_noise=fresh_noise)
    return x_next + per_image(sigma, x_t) * fresh_noise


def sample_ddpm(
    predict_noise: PredictNoise,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    variance: str = "beta",
    generator: torch.Generator | None = None,
) -> Iterator[SamplingStep]:
    """Every step from T down to 1, T network evaluations (DDPM, algorithm 2).

    x_T (batch, ...) standard normal. Fresh noise comes from `generator`, a CPU one, or from torch's
    global one. Yields T + 1 SamplingSteps; `last` takes the image from them.
    """
    x_t = x_T.detach()
    for t in range(schedule.num_steps, 0, -1):
        with torch.no_grad():  # not across the yield: the caller would run without gradients, too
            predicted_noise = predict_noise(x_t, t)
        yield SamplingStep(t, x_t, predicted_noise, schedule)
        fresh_noise = standard_normal(x_t, generator)
        x_t = ddpm_step(schedule, x_t, t, predicted_noise, fresh_noise, variance)
    yield SamplingStep(0, x_t, None, schedule)


def sample_ddim(
    predict_noise: PredictNoise,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    num_steps: int = 20,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Iterator[SamplingStep]:
    """num_steps steps from T down to 0, exactly that many network evaluations (DDIM, section 4.2).

    Arguments as for sample_ddpm. Yields num_steps + 1 SamplingSteps. Raises ValueError, when it is
    iterated, if num_steps is not in 1 .. T or eta not in 0 .. 1.
    """
    x_t = x_T.detach()
    times = ddim_times(schedule.num_steps, num_steps)
    for t, t_next in zip(times[:-1], times[1:]):
        with torch.no_grad():
            predicted_noise = predict_noise(x_t, t)
        yield SamplingStep(t, x_t, predicted_noise, schedule)
        fresh_noise = standard_normal(x_t, generator) if eta > 0 else None
        x_t = ddim_step(schedule, x_t, t, t_next, predicted_noise, eta, fresh_noise)
    yield SamplingStep(0, x_t, None, schedule)


def ddim_times(total_steps: int, num_steps: int) -> list[int]:
    """T = t_0 > t_1 > ... > t_n = 0: t_i = T * (n - i) / n, rounded to the nearest, halves to even.

    T // n as a stride, which the labs use, misses the count or 0 wherever n does not divide T.
    """
    if isinstance(num_steps, bool) or not isinstance(num_steps, int) or not 1 <= num_steps <= total_steps:
        raise ValueError(f"num_steps must be a whole number in 1 .. {total_steps}, got {num_steps!r}")
    return [round(total_steps * (num_steps - i) / num_steps) for i in range(num_steps + 1)]


def last(steps: Iterator[SamplingStep]) -> Tensor:
    """Runs a sampler to its end and gives the finished image. ValueError if it yields nothing."""
    final = deque(steps, maxlen=1)
    if not final:
        raise ValueError("the sampler yielded no step: it was already run to its end")
    return final[0].x_t


def standard_normal(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Noise shaped like `like`, drawn on the CPU and moved: a seed means the same noise on any device."""
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)
