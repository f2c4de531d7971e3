"""What the check of choose_frames asks of an answer, and the wrong ones that people give."""

import torch
from torch import Tensor

from ..samplers import SamplingStep
from ..schedule import NoiseSchedule


def choose_frames(steps, num_frames):
    last = len(steps) - 1
    return [steps[round(i * last / (num_frames - 1))] for i in range(num_frames)]


def _by_rule(steps, num_frames):
    T = len(steps) - 1
    rate = max(1, T // num_frames)
    return [step for step in steps if step.t % rate == 0 or step.t == T or step.t < 8]


MISTAKES = (
    (lambda steps, n: steps[:: max(1, len(steps) // n)], "a stride that was rounded down misses the count"),
    (lambda steps, n: steps[:n], "all of them still noise: spread them over the run"),
    (lambda steps, n: [steps[i * len(steps) // n] for i in range(n)], "The finished image is lost"),
    (
        lambda steps, n: [steps[(i + 1) * (len(steps) - 1) // n] for i in range(n)],
        "x_T, the pure noise, is lost",
    ),
    (lambda steps, n: choose_frames(steps, n)[::-1], "The frames run backwards"),
    (lambda steps, n: [step.x_t for step in choose_frames(steps, n)], "pictures without their t"),
    (lambda steps, n: [step.t for step in choose_frames(steps, n)], "These are numbers"),
    (_by_rule, "The rule of the labs"),
    (lambda steps, n: steps[: n - 1] + steps[-1:], "Not evenly spaced"),
)


def test(choose) -> str | None:
    """Runs of several lengths; what is wrong in a sentence, None if nothing is."""
    for num_steps, num_frames in ((500, 9), (500, 8), (7, 4), (20, 21), (10, 2), (50, 20)):
        x = torch.zeros(1, 1)
        schedule = NoiseSchedule.linear(num_steps)
        steps = [SamplingStep(t, x, x if t else None, schedule) for t in range(num_steps, -1, -1)]
        given = list(steps)
        got = choose(given, num_frames)
        complaint = _wrong_frames(got, steps, num_frames)
        if complaint:
            return complaint
        if given != steps:
            return "The list that was passed in has changed: the caller still needs all of its steps."
    return None


def _wrong_frames(got, steps, num_frames: int) -> str | None:
    if not isinstance(got, (list, tuple)) or not got:
        return f"A list of {num_frames} steps is wanted, got {type(got).__name__}."
    if all(isinstance(frame, Tensor) for frame in got):
        return "These are pictures without their t: keep the whole step, so that a frame knows when it was."
    if all(isinstance(frame, int) for frame in got):
        return "These are numbers: return the steps that stand at those places, steps[i]."
    if not all(isinstance(frame, SamplingStep) for frame in got):
        return f"A list of the steps themselves is wanted, got one that holds a {type(got[0]).__name__}."
    times, T = [frame.t for frame in got], len(steps) - 1
    of = f"From {T + 1} steps, {num_frames} frames"
    if times == sorted(times) and len(times) > 1:
        return f"The frames run backwards, from t = {times[0]}: keep the order of sampling, T first."
    if times == [step.t for step in steps[:num_frames]] and num_frames < T:
        return f"Those are the first {num_frames} steps, all of them still noise: spread them over the run."
    if len(times) != num_frames:
        if T in times and all(t in times for t in range(8)):
            return f"The rule of the labs. {of} were asked for and {len(times)} came, crowded at the end."
        return (
            f"{of} were asked for and {len(times)} came: a stride that was rounded down misses the count, "
            "and so does one place too many. Name num_frames places."
        )
    if times[0] != T:
        return f"x_T, the pure noise, is lost: the first frame has t = {times[0]}, and {T} is wanted."
    if times[-1] != 0:
        return (
            f"The finished image is lost: the last frame has t = {times[-1]}. n frames are n - 1 jumps, so "
            "divide by num_frames - 1, and round each place, not the jump."
        )
    gaps = [a - b for a, b in zip(times, times[1:])]
    if min(gaps) < 1:
        return f"A frame comes twice: {of} gave t = {times}."
    if max(gaps) - min(gaps) > 1:
        return f"Not evenly spaced: {of} gave gaps from {min(gaps)} to {max(gaps)}."
    return None
