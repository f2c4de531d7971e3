"""The exercise on drawing t: its reference, its test, and what people write instead."""

import torch
from torch import Tensor

from .randomness import fault_of_draws, seeded


def draw_steps(num_steps, batch_size, generator):
    return torch.randint(1, num_steps + 1, (batch_size,), generator=generator)


def test(answer) -> str | None:
    """The first thing wrong with a function that draws t, in a sentence; None if there is nothing."""
    try:
        drawn = answer(4, 4000, seeded(0))
    except TypeError as error:
        if "randint() received an invalid combination" in str(error):
            return "torch.randint takes low, high and the size in this order, and the size must be a tuple."
        raise
    if not isinstance(drawn, Tensor):
        return f"A LongTensor is wanted, got {type(drawn).__name__}."
    if drawn.dtype != torch.long:
        return f"The result is {drawn.dtype}, and t is an index into the schedule: a LongTensor is wanted."
    if drawn.shape[:1] == (4000,) and drawn.ndim > 1:
        return (
            f"The shape is {tuple(drawn.shape)}, (4000,) is wanted: add_noise itself makes t fit the images."
        )
    if drawn.shape != (4000,):
        return (
            f"For T = 4 and a batch of 4000 the shape is {tuple(drawn.shape)}, (4000,) is wanted: one t for "
            "each image, and a t may come twice."
        )
    low, high = drawn.min().item(), drawn.max().item()
    if (low, high) == (2, 5):
        return "The steps are 2 .. T + 1, one too high: randint begins at its first number itself."
    if low == high:
        return "All images have the same t. Each needs its own, or a batch says something on one t only."
    if low < 1 and high < 4:
        return "The steps are 0 .. T - 1, here they are 1 .. T: t = 0 is the clean image, and T is missing."
    if low < 1:
        return "t = 0 comes out: that is the clean image, with no noise to predict. Begin at 1."
    if high > 5:
        return (
            f"For num_steps = 4 the step {high} came out. The largest is the argument `num_steps`, whatever "
            "T the notebook's schedule has."
        )
    if high > 4:
        return "T + 1 comes out, which the schedule does not have: randint's upper bound is T + 1, no more."
    if high < 4:
        return "T never comes out: an upper bound, as that of torch.randint, is not drawn itself."
    share = torch.bincount(drawn, minlength=5)[1:] / 4000
    if (share - 0.25).abs().max() > 0.04:
        shares = ", ".join(f"{value:.2f}" for value in share)
        return f"Not uniform: for T = 4 the steps 1 .. 4 have the shares {shares}, not 0.25 each."
    return _test_generator(answer)


GENERATOR_SAYS = {
    "seeded": "Two calls gave the same steps: the generator is seeded anew inside. Only draw from it.",
    "global": "Two calls gave the same steps: the numbers must come from the generator that is passed in.",
    "elsewhere": "The same seed gave other steps: draw all numbers from the generator.",
}


def _test_generator(answer) -> str | None:
    answer(500, 16, seeded(1))
    state = torch.get_rng_state()
    torch.manual_seed(0)  # as before each call
    if not torch.equal(state, torch.get_rng_state()):
        return (
            "The generator is not used: the numbers come from torch's global one, so no run can be repeated."
        )
    if fault := fault_of_draws(lambda generator: answer(500, 16, generator)):
        return GENERATOR_SAYS[fault]
    long = answer(500, 20000, seeded(1))
    if (long.min(), long.max()) != (1, 500):
        return f"For T = 500 the steps run from {long.min()} to {long.max()}: 1 to 500 is wanted."
    return None


def _seeded_anew(num_steps, batch_size, generator):
    return torch.randint(1, num_steps + 1, (batch_size,), generator=generator.manual_seed(0))


def _fixed_seed(num_steps, batch_size, generator):
    return torch.randint(1, num_steps + 1, (batch_size,), generator=seeded(0))


def _rounded(num_steps, batch_size, generator):
    return (torch.rand(batch_size, generator=generator) * num_steps).round().long().clamp(min=1)


def _like(low, above, shape=lambda n: (n,)):
    """randint(low, T + above), of some shape."""

    def wrong(num_steps, batch_size, generator):
        return torch.randint(low, num_steps + above, shape(batch_size), generator=generator)

    return wrong


MISTAKES = [
    (_like(0, 0), "The steps are 0 .. T - 1, here they are 1 .. T"),
    (_like(0, 1), "t = 0 comes out: that is the clean image"),
    (_like(1, 0), "T never comes out: an upper bound"),
    (lambda *asked: _like(1, 1)(*asked) + 1, "The steps are 2 .. T + 1"),
    (_seeded_anew, "the generator is seeded anew inside"),
    (_like(1, 2), "T + 1 comes out, which the schedule does not have"),
    (
        lambda num_steps, batch_size, generator: _like(1, 1)(500, batch_size, generator),
        "The largest is the argument `num_steps`",
    ),
    (_like(1, 1, lambda n: n), "the size must be a tuple"),
    (_like(1, 1, lambda n: (n, 1, 1, 1)), "The shape is (4000, 1, 1, 1)"),
    (
        lambda num_steps, batch_size, generator: _like(1, 1)(num_steps, 1, generator).expand(batch_size),
        "All images have the same t.",
    ),
    (
        lambda num_steps, batch_size, generator: torch.randint(1, num_steps + 1, (batch_size,)),
        "The generator is not used",
    ),
    (
        lambda num_steps, batch_size, generator: _like(1, 1)(num_steps, batch_size, generator) / num_steps,
        "t is an index into the schedule: a LongTensor is wanted",
    ),
    (
        lambda num_steps, batch_size, generator: (
            1 + torch.randperm(num_steps, generator=generator)[:batch_size]
        ),
        "one t for each image, and a t may come twice",
    ),
    (_rounded, "Not uniform: for T = 4"),
    (_fixed_seed, "Two calls gave the same steps"),
]
