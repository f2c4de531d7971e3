"""What people write for drawing kinds in lesson 07, and what the check says to it."""

import random

import torch

from ..checks import Mistake

DRAW_SAYS = {
    "places": "These are places in the data, not kinds: look up the kind of the sprite in that place.",
    "class": "Some kinds are not of the class that was wanted: draw among the sprites of that class alone, "
    "and let `wanted` say where they go.",
    "one class": "Only one class is filled: is the `return` inside the loop?",
    "always first": "It is always the kind of the first sprite of the class: nothing is drawn.",
    "order": "The kinds are right but sorted by class: each must stand in the place of its wish.",
    "uniform": "All kinds of a class come equally often. In the data one may be far more frequent: draw a "
    "sprite and take its kind.",
    "one for all": "All wishes for a class get one and the same kind: draw once for each wish.",
    "most frequent": "Every wish for a class gets its most frequent kind, and the others never come.",
    "global": "The generator is not used: another seed of it gives the same kinds. Pass it to the draw.",
    "seeded": "Two calls in a row give the same kinds: it is seeded anew inside. Only draw from it.",
    "elsewhere": "Two generators of one seed give different kinds: does NumPy or Python draw them?",
    "absent": "It stops at a class of which there are no sprites here. Go through the classes that are "
    "wanted: wanted.unique().",
    "first": "The first sprite of a class is never drawn: places begin at 0.",
    "last": "The last sprite of a class is never drawn: torch.randint(n, ...) already stops below n.",
}


def _by_class(pick, kinds, classes, wanted):
    drawn = torch.empty_like(wanted)
    for k in wanted.unique():
        asked = wanted == k
        drawn[asked] = pick(kinds[classes == k], int(asked.sum()))
    return drawn


def _places(kinds, classes, wanted, generator):
    drawn = torch.empty_like(wanted)
    for k in wanted.unique():
        own, asked = (classes == k).nonzero()[:, 0], wanted == k
        drawn[asked] = own[torch.randint(len(own), (int(asked.sum()),), generator=generator)]
    return drawn


def _any_sprite(kinds, classes, wanted, generator):
    return kinds[torch.randint(len(kinds), wanted.shape, generator=generator)]


def _sorted(kinds, classes, wanted, generator):
    parts = []
    for k in wanted.unique():
        own, count = kinds[classes == k], int((wanted == k).sum())
        parts.append(own[torch.randint(len(own), (count,), generator=generator)])
    return torch.cat(parts)


def _uniform(kinds, classes, wanted, generator):
    def pick(own, count):
        each = own.unique()
        return each[torch.randint(len(each), (count,), generator=generator)]

    return _by_class(pick, kinds, classes, wanted)


def _first_of_each(kinds, classes, wanted, generator):
    return torch.stack([kinds[classes == k][0] for k in wanted])


def _return_in_loop(kinds, classes, wanted, generator):
    drawn = torch.full_like(wanted, -100)
    for k in wanted.unique():
        own, asked = kinds[classes == k], wanted == k
        drawn[asked] = own[torch.randint(len(own), (int(asked.sum()),), generator=generator)]
        return drawn


def _one_for_all(kinds, classes, wanted, generator):
    def pick(own, count):
        return own[torch.randint(len(own), (1,), generator=generator)].expand(count)

    return _by_class(pick, kinds, classes, wanted)


def _most_frequent(kinds, classes, wanted, generator):
    return _by_class(lambda own, count: own.mode().values.expand(count), kinds, classes, wanted)


def _global(kinds, classes, wanted, generator):
    return _by_class(lambda own, n: own[torch.randint(len(own), (n,))], kinds, classes, wanted)


def _seeded(kinds, classes, wanted, generator):
    generator.manual_seed(0)
    pick = lambda own, n: own[torch.randint(len(own), (n,), generator=generator)]  # noqa: E731
    return _by_class(pick, kinds, classes, wanted)


def _pythons(kinds, classes, wanted, generator):
    return _by_class(lambda own, n: torch.tensor(random.choices(own.tolist(), k=n)), kinds, classes, wanted)


def _five_classes(kinds, classes, wanted, generator):
    drawn = torch.empty_like(wanted)
    for k in range(5):
        own, asked = kinds[classes == k], wanted == k
        drawn[asked] = own[torch.randint(len(own), (int(asked.sum()),), generator=generator)]
    return drawn


def _never_the_first(kinds, classes, wanted, generator):
    def pick(own, count):
        return own[torch.randint(min(1, len(own) - 1), len(own), (count,), generator=generator)]

    return _by_class(pick, kinds, classes, wanted)


def _never_the_last(kinds, classes, wanted, generator):
    def pick(own, count):
        return own[torch.randint(max(len(own) - 1, 1), (count,), generator=generator)]

    return _by_class(pick, kinds, classes, wanted)


DRAW = [
    Mistake(_places, DRAW_SAYS["places"]),
    Mistake(_any_sprite, DRAW_SAYS["class"]),
    Mistake(_sorted, DRAW_SAYS["order"]),
    Mistake(_uniform, DRAW_SAYS["uniform"]),
    Mistake(_one_for_all, DRAW_SAYS["one for all"]),
    Mistake(_first_of_each, DRAW_SAYS["always first"]),
    Mistake(_return_in_loop, DRAW_SAYS["one class"]),
    Mistake(_most_frequent, DRAW_SAYS["most frequent"]),
    Mistake(_global, DRAW_SAYS["global"]),
    Mistake(_seeded, DRAW_SAYS["seeded"]),
    Mistake(_pythons, DRAW_SAYS["elsewhere"]),
    Mistake(_five_classes, DRAW_SAYS["absent"]),
    Mistake(_never_the_first, DRAW_SAYS["first"]),
    Mistake(_never_the_last, DRAW_SAYS["last"]),
]
