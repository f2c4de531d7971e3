"""The wrong answers that people give to the exercises of lesson 06, and what the checks say to them."""

import math

import torch

from ..checks import Mistake

STRIDE = "T // n rounds the stride down, and what it cuts off is missing at the end."
# The first one that fits, for any number of steps, is said.
TIMES_SAY = {
    "pairs": "These are pairs. A plain list of times is wanted: the sampler pairs them itself.",
    "whole": "A time is not a whole number: the schedule cannot be asked for it. Round it.",
    "wrap": "The list goes below 0. A negative index counts from the end: the last step goes back to noise.",
    "grows": "The list grows. A sampler starts at T and goes down to 0.",
    "count": f"For some n there are too many times: n steps need n + 1 times. {STRIDE}",
    "first": "T is missing: the first step starts from x_T, pure noise. n steps need n + 1 times.",
    "index": "The list starts at T - 1. Here t = T is the noisiest step, and 0 is the clean image, no step.",
    "start": "The list does not start at T, where x_T is pure noise. Is a stride rounded too early?",
    "fewer": "T and 0 are there, but for some n there are too few times: n steps need n + 1, both ends "
    "counted. A list of n, or a stride that is rounded up, has fewer.",
    "zero": "0 is missing: the last step must end at the clean image. n steps need n + 1 times.",
    "again": "The same time stands there twice: that step would change nothing. Is the stride rounded up?",
    "short": f"For some n the list stops above 0, with noise left in the picture. {STRIDE}",
    "cut": "A time that is whole, like 250, comes out one too low: 249.99999 lost its decimals. Use round().",
    "even": "The times are not evenly spaced: one is 1 or more away from T (n - i) / n.",
}
TIMES = [
    Mistake(lambda T, n: [T * (n - i) / n for i in range(n + 1)], TIMES_SAY["whole"]),
    Mistake(lambda T, n: [*range(T, 0, -(T // n)), -(-T % (T // n))], TIMES_SAY["wrap"]),
    Mistake(lambda T, n: [round(T * i / n) for i in range(n + 1)], TIMES_SAY["grows"]),
    Mistake(lambda T, n: [*range(T, 0, -(T // n)), 0], TIMES_SAY["count"]),
    Mistake(lambda T, n: [T // n * (n - i) for i in range(n + 1)], TIMES_SAY["start"]),
    Mistake(lambda T, n: [round((T - 1) * (n - i) / n) for i in range(n + 1)], TIMES_SAY["index"]),
    Mistake(lambda T, n: [round(T * (n - i) / n) for i in range(1, n + 1)], TIMES_SAY["first"]),
    Mistake(lambda T, n: torch.linspace(T, 0, max(n, 2)).round().long(), TIMES_SAY["fewer"]),
    Mistake(lambda T, n: [round(T * (n - i) / n) for i in range(n)], TIMES_SAY["zero"]),
    Mistake(lambda T, n: [(t, t - T // n) for t in range(T, 0, -(T // n))], TIMES_SAY["pairs"]),
    Mistake(lambda T, n: [max(0, T - i * math.ceil(T / n)) for i in range(n + 1)], TIMES_SAY["again"]),
    Mistake(lambda T, n: [T - i * (T // n) for i in range(n + 1)], TIMES_SAY["short"]),
    Mistake(lambda T, n: torch.linspace(T, 0, n + 1).long(), TIMES_SAY["cut"]),
    Mistake(lambda T, n: [*(T - i * (T // n) for i in range(n)), 0], TIMES_SAY["even"]),
]


def judge_times(times, total_steps: int, num_steps: int) -> set[str]:
    """What is wrong with a list of times, keys of TIMES_SAY. Tuples, tensors and arrays are lists, too."""
    times = list(times)
    if any(isinstance(t, (tuple, list)) for t in times):
        return {"pairs"}
    times = [float(t) for t in times]
    falls = [b - a for a, b in zip(times[:-1], times[1:])]
    late = [total_steps * (num_steps - i) / num_steps - t for i, t in enumerate(times)]
    low = not times or times[0] != total_steps
    wrong = {
        "whole": any(t % 1 for t in times),
        "wrap": any(t < 0 for t in times),
        "grows": bool(falls) and max(falls) > 0,
        "count": len(times) > num_steps + 1,
        "first": low and 0 < len(times) <= num_steps and times[-1] == 0,
        "index": total_steps % num_steps == 0 and times[:1] == [total_steps - 1],
        "start": low,
        "fewer": not low and times[-1] == 0 and len(times) < num_steps + 1,
        "zero": len(times) < num_steps + 1,
        "again": 0 in falls,
        "short": not times or times[-1] > 0,
        "cut": min(late, default=0) >= 0 and max(late, default=0) == 1,
        "even": any(abs(gap) >= 1 for gap in late),
    }
    return {name for name, fails in wrong.items() if fails}


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
        "The angles, (batch,), meet a's last dimension: give them as many as a has, (batch, 1, 1, 1).",
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
        "t and t_next are swapped: alpha_bar is larger at t_next, and the root of a negative number is none.",
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
]
