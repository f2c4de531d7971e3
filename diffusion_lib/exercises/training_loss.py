"""The exercise on the loss: the cases it is tried on, and what people write instead."""

import torch
from torch import Tensor, nn

from ..checks import Mistake
from ..schedule import NoiseSchedule, add_noise, per_image


class _Echo(nn.Module):
    """A small network whose answer depends on each of its arguments, and on a weight."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.0, channels))

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        axes = [1] * (x.ndim - 1)
        told = 0 if c is None else (c @ torch.arange(1.0, c.shape[1] + 1, dtype=c.dtype)).view(-1, *axes)
        return (x * self.weight.to(x).view(-1, *axes[1:]) + torch.cos(3 * t).view(-1, *axes) + told) / 2


def cases() -> list[dict]:
    """Images with a context and without, points, two schedules, and the first and the last step."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for schedule, shape, told in (
        (NoiseSchedule.linear(500, 2e-4, 0.04), (3, 4, 4), True),
        (NoiseSchedule.linear(20, 0.005, 0.5), (1, 6, 6), True),
        (NoiseSchedule.linear(500, 2e-4, 0.04), (2,), False),
    ):
        x_0, noise = (part.clone() for part in torch.randn(2, 5, *shape, generator=generator))
        t = torch.randint(1, schedule.num_steps // 2, (5,), generator=generator)
        t[:2] = torch.tensor([1, schedule.num_steps if told else 7])  # points: T is not among them
        context = torch.eye(3)[torch.tensor([0, 2, 1, 1, 0])] if told else None
        case = {"model": _Echo(shape[0]), "schedule": schedule, "x_0": x_0, "t": t, "noise": noise}
        made.append(case | {"context": context})
    return made


def _mean(values: Tensor) -> Tensor:
    return values.flatten(start_dim=1).mean(dim=1)


def _loss(noisy=add_noise, told=lambda t, T: t / T, target="noise", of=lambda gap: _mean(gap.square())):
    """The loss with another noisy image, time, target, or measure of the difference."""

    def wrong(model, schedule, x_0, t, noise, context=None):
        x_t = noisy(schedule, x_0, t, noise)
        predicted = model(x_t, told(t, schedule.num_steps), context)
        return of({"noise": noise, "x_0": x_0, "x_t": x_t}[target] - predicted)

    return wrong


def _noised(of_image, of_noise, shift=0):
    def noisy(schedule, x_0, t, noise):
        alpha_bar = schedule.alpha_bar[t - shift]
        return per_image(of_image(alpha_bar), x_0) * x_0 + per_image(of_noise(alpha_bar), x_0) * noise

    return noisy


def _four_axes(model, schedule, x_0, t, noise, context=None):
    alpha_bar = schedule.alpha_bar[t].to(x_0.dtype).view(-1, 1, 1, 1)
    x_t = alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise
    predicted = model(x_t, t / schedule.num_steps, context)
    return _mean((noise - predicted).square())


def _in_float64(of_noise):
    def noisy(schedule, x_0, t, noise):
        alpha_bar = schedule.alpha_bar[t].view(-1, *[1] * (x_0.ndim - 1))
        return alpha_bar.sqrt() * x_0 + of_noise(alpha_bar) * noise

    return _loss(noisy)


def _unasked(model, schedule, x_0, t, noise, context=None):
    return _mean((noise - add_noise(schedule, x_0, t, noise)).square())


def _untold(model, schedule, x_0, t, noise, context=None):
    return _loss()(model, schedule, x_0, t, noise)


def _own_noise(model, schedule, x_0, t, noise, context=None):
    return _loss()(model, schedule, x_0, t, torch.randn_like(x_0), context)


def _unseen_noise(model, schedule, x_0, t, noise, context=None):
    return _loss(noisy=lambda *clean: add_noise(schedule, x_0, t, torch.randn_like(x_0)))(
        model, schedule, x_0, t, noise, context
    )


MISTAKES = [
    Mistake(
        _loss(_noised(torch.sqrt, lambda bar: 1 - bar)),
        "The noise in x_t is too weak: eq. 4 multiplies it by √(1 − ᾱ_t), and this is 1 − ᾱ_t. (Section 8 "
        "shows what comes of it.)",
    ),
    Mistake(
        _loss(_noised(lambda bar: bar, lambda bar: (1 - bar).sqrt())),
        "The image in x_t is too weak: eq. 4 multiplies it by √ᾱ_t, and this is ᾱ_t.",
    ),
    Mistake(
        _loss(_noised(lambda bar: bar, lambda bar: 1 - bar)),
        "Both square roots of eq. 4 are missing: √ᾱ_t and √(1 − ᾱ_t). add_noise has them.",
    ),
    Mistake(
        _loss(_noised(torch.sqrt, lambda bar: (1 - bar).sqrt(), shift=1)),
        "x_t is that of one step before: the index is the paper's t, alpha_bar[t], and 0 the clean image.",
    ),
    Mistake(
        _loss(told=lambda t, T: t.float()),
        "The network is told the step t itself: it wants t / T, between 0 and 1.",
    ),
    Mistake(
        _loss(told=lambda t, T: t / t.max()),
        "The network is told t divided by the largest t of the batch. Divide by T, schedule.num_steps.",
    ),
    Mistake(
        _loss(told=lambda t, T: t / 500),
        "t is divided by 500, which is the T of this notebook's schedule: take schedule.num_steps.",
    ),
    Mistake(
        _four_axes,
        "Right for images alone: view(-1, 1, 1, 1) makes four axes, and points have two. per_image and "
        "add_noise fit both.",
    ),
    Mistake(
        _in_float64(lambda bar: (1 - bar).sqrt()),
        "The values are right, but in float64, as the schedule's are: per_image and add_noise bring its "
        "numbers to the dtype of the images.",
    ),
    Mistake(
        _in_float64(lambda bar: 1 - bar),
        "Two faults: the noise is multiplied by 1 − ᾱ_t without its root, and the schedule's float64 makes "
        "the result float64.",
    ),
    Mistake(
        _unasked,
        "The network is never asked: its answer, model(x_t, t / T, context), is compared with the noise.",
    ),
    Mistake(
        _loss(told=lambda t, T: (t - 1) / T),
        "The network is told (t − 1) / T. The index is the paper's t, so t / T is 1 at the noisiest step.",
    ),
    Mistake(_untold, "The context does not reach the network: it is its third argument."),
    Mistake(
        _loss(noisy=lambda schedule, x_0, t, noise: x_0),
        "The network sees the clean image x_0: there is no noise in it to be found. Give it x_t.",
    ),
    Mistake(
        _loss(target="x_0"),
        "The answer is compared with the clean image. This network predicts the noise: compare with `noise`.",
    ),
    Mistake(
        _loss(target="x_t"),
        "The answer is compared with x_t, which the network has been given: compare with `noise`.",
    ),
    Mistake(
        _loss(of=lambda gap: gap.square().mean()),
        "One number for the whole batch. One for each image is wanted, (batch,): it tells later at which t "
        "the loss arose.",
    ),
    Mistake(
        _loss(of=lambda gap: gap.square().flatten(start_dim=1).sum(dim=1)),
        "The sum over the numbers of an image, as in the equation. Take their mean: the sum grows with the "
        "size of the image, and a learning rate would fit one size alone.",
    ),
    Mistake(
        _loss(of=lambda gap: gap.square()),
        "A loss for each pixel. Take their mean for each image: flatten(start_dim=1), then mean(dim=1).",
    ),
    Mistake(
        _loss(of=lambda gap: gap.square().mean(dim=(1, 2, 3))),
        "Right for images alone: points (batch, 2) have no axes 2 and 3. flatten(start_dim=1) serves both.",
    ),
    Mistake(
        _loss(of=lambda gap: _mean(gap.abs())),
        "These are absolute differences. Only the square has the mean as its best answer (section 3); they "
        "have the median.",
    ),
    Mistake(
        _loss(of=_mean),
        "The differences are not squared: errors of opposite signs cancel, and a loss below 0 is no limit.",
    ),
    Mistake(
        _loss(of=lambda gap: _mean(gap.square()).sqrt()),
        "That is the root of the mean square. Eq. 14 takes no root, and its best answer would be another.",
    ),
    Mistake(
        _loss(of=lambda gap: gap.square().mean(dim=0)),
        "The mean is over the images: dim 0 is the batch. Take it over all others.",
    ),
    Mistake(
        _own_noise,
        "It draws noise of its own. Use the one that is passed in, so that a run can be repeated.",
    ),
    Mistake(
        _unseen_noise,
        "The noise in x_t is another than the one that the answer is compared with: nobody could predict it.",
    ),
]
