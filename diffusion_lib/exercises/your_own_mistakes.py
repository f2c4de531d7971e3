"""What people write for the parents of new classes in lesson 07, and what the check says to it."""

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


def _longest_inside(names, known):
    found = []
    for name in names:
        inside = [place for place, old in enumerate(known) if old in name]
        found.append(max(inside, key=lambda place: len(known[place])) if inside else None)
    return found


def _starts_with(names, known):
    found = []
    for name in names:
        fitting = [place for place, old in enumerate(known) if name.startswith(old)]
        found.append(max(fitting, key=lambda place: len(known[place])) if fitting else None)
    return found


def _first_that_starts(names, known):
    found = []
    for name in names:
        fitting = [place for place, old in enumerate(known) if name.startswith(old)]
        found.append(fitting[0] if fitting else None)
    return found


def _any_part(names, known):
    found = []
    for name in names:
        fitting = [place for place, old in enumerate(known) if old in name.split("/")]
        found.append(fitting[0] if fitting else None)
    return found


def _inside_the_head(names, known):
    found = []
    for name in names:
        fitting = [place for place, old in enumerate(known) if old in name.split("/")[0]]
        found.append(fitting[0] if fitting else None)
    return found


def _whole_then_inside(names, known):
    return [known.index(name) if name in known else _first_inside([name], known)[0] for name in names]


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


def _first_match(names, known):
    found = []
    for name in names:
        fitting = [place for place, old in enumerate(known) if old in (name, name.split("/")[0])]
        found.append(fitting[0] if fitting else None)
    return found


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
        _longest_inside,
        'The longest of the names inside is the wrong one, too, where none of them is the class: "pets/food" '
        "is a pet called food. Compare whole parts.",
    ),
    Mistake(
        _starts_with,
        'A name can begin with that of another class without being of it: "heroine/ada" is no hero. Compare '
        "the whole part before the slash.",
    ),
    Mistake(
        _first_that_starts,
        'Of all classes that the name begins with it takes the first: "heroine/ada" is no hero, and '
        '"food/apple" is known as it stands.',
    ),
    Mistake(
        _any_part,
        'Any part between slashes counts here: "pets/food" is a pet. Only the whole name and what stands '
        "before its slash do.",
    ),
    Mistake(
        _inside_the_head,
        '`in` looks inside of what stands before the slash: "non-hero" contains "hero". Compare with ==.',
    ),
    Mistake(
        _whole_then_inside,
        'The whole name comes first, rightly. But then `in` looks inside of words: "non-hero" '
        'contains "hero".',
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
        _first_match,
        'Of a name and its class it takes the one that comes first in `known`: where "food" stands before '
        '"food/apple", an apple begins as food. Look for the whole name first.',
    ),
    Mistake(
        _last_match,
        "Where a name and its class are both known, the name itself comes first, wherever the two stand.",
    ),
    Mistake(
        _zero_is_false,
        "Place 0 counts as false, for `or`, `not` and `if`: ask whether the place is None, or give `get` "
        "what it is to answer instead.",
    ),
    Mistake(
        _stops_at_unknown,
        "It stops with an error where no class fits. There the answer is None: such a class begins as none.",
    ),
    Mistake(_names_not_places, "Places in `known` are wanted, whole numbers from 0, and these are names."),
    Mistake(_left_out, "Names without a class are left out, so that all later places belong to other names."),
]
