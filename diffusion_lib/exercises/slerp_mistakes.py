"""The wrong answers that people give to slerp and sigma_hat, lesson 06, and what the checks say to them."""

import math

import torch

from ..checks import Mistake


def _arc(angle_of, divide=True):
    """A slerp whose angle comes from angle_of(a, b, cosine), right or wrong."""

    def answer(a, b, fraction):
        cosine = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1))
        angle = angle_of(a, b, cosine).view(-1, *[1] * (a.ndim - 1))
        arc = torch.sin((1 - fraction) * angle) * a + torch.sin(fraction * angle) * b
        return arc / torch.sin(angle) if divide else arc

    return answer


def _line(a, b, fraction):
    return (1 - fraction) * a + fraction * b


def _scaled_line(a, b, fraction):
    length = [x.flatten(1).norm(dim=1).view(-1, *[1] * (a.ndim - 1)) for x in (a, _line(a, b, fraction))]
    return _line(a, b, fraction) * length[0] / length[1]


def _unit(x):
    return x / x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))


def _units(a, b, fraction):
    return _arc(lambda a, b, cosine: torch.arccos(cosine))(_unit(a), _unit(b), fraction)


def _over_channels(a, b, fraction):
    angle = torch.arccos(torch.nn.functional.cosine_similarity(a, b, dim=1)).unsqueeze(1)
    return (torch.sin((1 - fraction) * angle) * a + torch.sin(fraction * angle) * b) / torch.sin(angle)


def _flat_angle(a, b, fraction):
    angle = torch.arccos(torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1)))
    return (torch.sin((1 - fraction) * angle) * a + torch.sin(fraction * angle) * b) / torch.sin(angle)


def _over_the_batch(a, b, fraction):
    return _arc(lambda a, b, cosine: torch.arccos((a * b).flatten(1).sum(1) / (a.norm() * b.norm())))(
        a, b, fraction
    )


def _one_divided(a, b, fraction):
    cosine = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1))
    angle = torch.arccos(cosine).view(-1, *[1] * (a.ndim - 1))
    return torch.sin((1 - fraction) * angle) * a + torch.sin(fraction * angle) * b / torch.sin(angle)


def _four_axes(a, b, fraction):
    angle = torch.arccos(torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1))).view(-1, 1, 1, 1)
    return (torch.sin((1 - fraction) * angle) * a + torch.sin(fraction * angle) * b) / torch.sin(angle)


def _over_squares(a, b, cosine):
    return torch.arccos(cosine / (a.flatten(1).norm(dim=1) * b.flatten(1).norm(dim=1)))


def _turned(a, b, fraction):
    return _arc(lambda a, b, cosine: torch.arccos(cosine))(b, a, fraction)


SLERP = [
    Mistake(_line, "That is the straight line. Halfway it is nearer to 0 than both ends are."),
    Mistake(
        _scaled_line,
        "That is the straight line, made as long as a afterwards: uneven in speed, and b's length is lost.",
    ),
    Mistake(
        _arc(lambda a, b, cosine: torch.arccos((a * b).flatten(1).sum(1))),
        "The dot product was not divided by both lengths: arccos of a number above 1 is not a number.",
    ),
    Mistake(
        _arc(lambda a, b, cosine: torch.arccos((a * b).sum() / (a.norm() * b.norm()))),
        "One angle for the whole batch: each pair of images has its own.",
    ),
    Mistake(
        _arc(lambda a, b, cosine: torch.rad2deg(torch.arccos(cosine))),
        "The angle is in degrees: torch.sin wants radians, which is what torch.arccos gives.",
    ),
    Mistake(
        _arc(_over_squares),
        "The dot product was divided by the squares of the lengths: divide by each length once.",
    ),
    Mistake(
        _units,
        "The ends became unit vectors: the lengths are for the angle alone. Weight a and b themselves.",
    ),
    Mistake(
        _over_channels,
        "That takes an angle for each pixel, over its channels: flatten all but the batch first.",
    ),
    Mistake(
        _flat_angle,
        "The angles, (batch,), meet a's last axis: give them as many axes as a has, (batch, 1, ..., 1).",
    ),
    Mistake(
        _over_the_batch,
        "The lengths are those of the whole batch: flatten each image to a row, and take norm(dim=1).",
    ),
    Mistake(
        _one_divided,
        "Only one of the two sines is divided by sin(θ). Both are: brackets around the sum are missing.",
    ),
    Mistake(
        _four_axes,
        "Right for images alone: view(-1, 1, 1, 1) makes four axes, and a may have any number of them.",
    ),
    Mistake(_turned, "It runs from b to a: fraction = 0 must give a."),
    Mistake(
        _arc(lambda a, b, cosine: torch.arccos(cosine), divide=False),
        "The division by the sine of the angle is missing: without it, fraction = 0 does not give a.",
    ),
    Mistake(
        _arc(lambda a, b, cosine: cosine), "That takes the cosine for the angle: torch.arccos is missing."
    ),
    Mistake(
        _arc(lambda a, b, cosine: torch.full_like(cosine, math.pi / 2)),
        "That is the quarter circle of the lesson, right only if a and b stand at a right angle.",
    ),
]


def _root(squared):
    return lambda schedule, t, t_next: squared(schedule, schedule.alpha_bar, t, t_next).sqrt()


def _for_each(squared):
    """A sigma made pair by pair from the betas or alphas of the steps between."""
    return lambda schedule, t, t_next: torch.stack(
        [squared(schedule, i, n) for i, n in zip(t, t_next)]
    ).sqrt()


SIGMA_HAT = [
    Mistake(
        lambda schedule, t, t_next: 1 - schedule.alpha_bar[t] / schedule.alpha_bar[t_next],
        "That is the variance: sigma is a standard deviation. Take the square root.",
    ),
    Mistake(
        _root(lambda s, ab, t, after: 1 - ab[after] / ab[t]),
        "Not a number: the root of something negative. alpha_bar is larger at t_next: is a ratio or a "
        "difference the wrong way round?",
    ),
    Mistake(
        _root(lambda s, ab, t, after: ab[after] / ab[t] - 1),
        "Turn the ratio round, not the difference: what is kept is alpha_bar_t / alpha_bar_next, and 1 minus "
        "it is the noise.",
    ),
    Mistake(
        _root(lambda s, ab, t, after: s.beta[t]), "That is sqrt(beta_t), right for t_next = t - 1 alone."
    ),
    Mistake(
        _root(lambda s, ab, t, after: 1 - s.alpha[t] / s.alpha[after]),
        "That takes alpha, which is what one step keeps: take alpha_bar.",
    ),
    Mistake(
        _root(lambda s, ab, t, after: (1 - ab[after]) / (1 - ab[t]) * (1 - ab[t] / ab[after])),
        "That is eq. 16 with eta = 1, which is smaller: its first factor does not belong here.",
    ),
    Mistake(
        _root(lambda s, ab, t, after: 1 - ab[t]),
        "That is all the noise in x_t: only what the steps from t_next to t add is wanted.",
    ),
    Mistake(
        _root(lambda s, ab, t, after: ab[after] - ab[t]),
        "That is a difference: take the ratio of the two alpha_bar.",
    ),
    Mistake(
        lambda schedule, t, t_next: 1 - (schedule.alpha_bar[t] / schedule.alpha_bar[t_next]).sqrt(),
        "The root comes too early: 1 minus the ratio is the variance, and the root of that is wanted.",
    ),
    Mistake(
        _root(lambda s, ab, t, after: ab[t] / ab[after]),
        "That is what the steps keep of the image: the noise is the rest, 1 minus the ratio.",
    ),
    Mistake(
        lambda schedule, t, t_next: (
            (1 - schedule.alpha_bar[t]).sqrt() - (1 - schedule.alpha_bar[t_next]).sqrt()
        ),
        "That is a difference of deviations. Start from the share of the variance that the steps keep.",
    ),
    Mistake(
        _for_each(lambda s, i, n: s.beta[n + 1 : i + 1].sum()),
        "The betas of the steps were added up, but each step also shrinks the noise of those before it.",
    ),
    Mistake(
        _for_each(lambda s, i, n: 1 - s.alpha[n : i + 1].prod()),
        "One step too many: the steps from t_next to t are t_next + 1 to t.",
    ),
    Mistake(
        _for_each(lambda s, i, n: 1 - s.alpha[n:i].prod()),
        "The product has the steps t_next to t - 1: a slice leaves its end out. Wanted are t_next + 1 to t.",
    ),
    Mistake(
        _root(lambda s, ab, t, after: (1 - ab[t]) / (1 - ab[after])),
        "That compares all the noise at t with all at t_next: only what the steps between add is wanted.",
    ),
]
