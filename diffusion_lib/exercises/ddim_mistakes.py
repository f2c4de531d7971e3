"""The wrong lists of times that people make in lesson 06, and what the check says to them."""

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
