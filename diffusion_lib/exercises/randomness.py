"""Does a function draw afresh each time, and from the generator that it gets?"""

from collections.abc import Callable

import torch
from torch import Tensor


def seeded(seed: int) -> torch.Generator:
    """A generator of its own with this seed."""
    return torch.Generator().manual_seed(seed)


def fault_of_draws(draw: Callable[[torch.Generator], Tensor]) -> str | None:
    """What is wrong with the randomness of draw(generator), or None.

    "seeded": two calls in a row give the same, because the generator is seeded anew inside. "global": they
    do, and the generator has not moved (torch's own is seeded before each call of an answer). "elsewhere":
    two generators of one seed give different numbers.
    """
    generator = seeded(2)
    if torch.equal(draw(generator), draw(generator)):
        moved = not torch.equal(generator.get_state(), seeded(2).get_state())
        return "seeded" if moved else "global"
    return None if torch.equal(draw(seeded(5)), draw(seeded(5))) else "elsewhere"
