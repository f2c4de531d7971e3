"""What people write instead, in the exercises of lesson 07, and what the checks say to it."""

import random

import torch

from ..checks import Mistake


def _first_inside(names, known):
    found = []
    for name in names:
        inside = [place for place, old in enumerate(known) if old in name]
        found.append(inside[0] if inside else None)
    return found


def _last_inside(names, known):
    found = []
    for name in names:
        inside = [place for place, old in enumerate(known) if old in name]
        found.append(inside[-1] if inside else None)
    return found


def _starts_with(names, known):
    found = []
    for name in names:
        fitting = [place for place, old in enumerate(known) if name.startswith(old)]
        found.append(max(fitting, key=lambda place: len(known[place])) if fitting else None)
    return found


def _whole_name_alone(names, known):
    return [known.index(name) if name in known else None for name in names]


def _before_the_slash_alone(names, known):
    heads = [name.split("/")[0] for name in names]
    return [known.index(head) if head in known else None for head in heads]


def _after_the_slash(names, known):
    tails = [name.split("/")[-1] for name in names]
    return [known.index(tail) if tail in known else None for tail in tails]


def _first_for_unknown(names, known):
    places = {name: place for place, name in enumerate(known)}
    return [places.get(name, places.get(name.split("/")[0], 0)) for name in names]


def _minus_one(names, known):
    places = {name: place for place, name in enumerate(known)}
    return [places.get(name, places.get(name.split("/")[0], -1)) for name in names]


def _last_match(names, known):
    found = []
    for name in names:
        fitting = [place for place, old in enumerate(known) if old in (name, name.split("/")[0])]
        found.append(fitting[-1] if fitting else None)
    return found


def _zero_is_false(names, known):
    places = {name: place for place, name in enumerate(known)}
    return [places.get(name) or places.get(name.split("/")[0]) for name in names]


def _stops_at_unknown(names, known):
    return [known.index(name if name in known else name.split("/")[0]) for name in names]


def _names_not_places(names, known):
    return [name if name in known else name.split("/")[0] for name in names]


def _left_out(names, known):
    heads = [name if name in known else name.split("/")[0] for name in names]
    return [known.index(head) for head in heads if head in known]


PARENTS = [
    Mistake(
        _first_inside,
        '`in` also looks inside of words: "non-hero" contains "hero", so all ghosts and goblins '
        "begin as heroes.",
    ),
    Mistake(
        _last_inside,
        'The last class that the name contains is no better than the first: "pets/food" is no food, it is a '
        "pet called food.",
    ),
    Mistake(
        _starts_with,
        'A name can begin with that of another class without being of it: "heroine/ada" is no hero. Compare '
        "the whole part before the slash.",
    ),
    Mistake(
        _whole_name_alone,
        "Only names that are known as they stand find a class. Where that fails, try the part before "
        "the slash.",
    ),
    Mistake(
        _before_the_slash_alone,
        'Where the whole name is known, it comes first: "food/apple" should begin as "food/apple", '
        'not as "food".',
    ),
    Mistake(_after_the_slash, "The class stands before the slash, not behind it."),
    Mistake(
        _first_for_unknown,
        "A class that nobody knows gets place 0 and begins as a hero. It must be None, which is no class.",
    ),
    Mistake(
        _minus_one, "A class that nobody knows must be None: -1 would be the last column of the weights."
    ),
    Mistake(
        _last_match,
        "Where a name and its class are both known, the name itself comes first, wherever the two stand.",
    ),
    Mistake(
        _zero_is_false,
        "Place 0 counts as false, so `or` passes over it: give `get` what it is to answer instead, or ask "
        "whether the place is None.",
    ),
    Mistake(
        _stops_at_unknown,
        "It stops with an error where no class fits. There the answer is None: such a class begins as none.",
    ),
    Mistake(_names_not_places, "Places in `known` are wanted, whole numbers from 0, and these are names."),
    Mistake(_left_out, "Names without a class are left out, so that all later places belong to other names."),
]


DRAW_SAYS = {
    "places": "These are places in the data, not kinds: look up the kind of the sprite in that place.",
    "class": "Some kinds are not of the class that was wanted: draw among the sprites of that class alone.",
    "order": "The kinds are right but sorted by class: each must stand in the place of its wish.",
    "uniform": "All kinds of a class come equally often. In the data one may be far more frequent: draw a "
    "sprite and take its kind.",
    "one for all": "All wishes for a class get one and the same kind: draw once for each wish.",
    "most frequent": "Every wish for a class gets its most frequent kind, and the others never come.",
    "global": "The generator is not used: another seed of it gives the same kinds. Pass it to the draw.",
    "seeded": "Two calls in a row give the same kinds: it is seeded anew inside. Only draw from it.",
    "elsewhere": "Two generators of one seed give different kinds: does NumPy or Python draw them?",
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
    Mistake(_most_frequent, DRAW_SAYS["most frequent"]),
    Mistake(_global, DRAW_SAYS["global"]),
    Mistake(_seeded, DRAW_SAYS["seeded"]),
    Mistake(_pythons, DRAW_SAYS["elsewhere"]),
    Mistake(_never_the_last, DRAW_SAYS["last"]),
]
