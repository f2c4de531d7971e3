"""The exercises of lesson 07: other classes for a trained network, and how to ask for them."""

import torch
from torch import Tensor

from .. import drawing
from ..checks import ChoiceExercise, FunctionExercise, PropertyExercise
from ..sprites import CLASS_NAMES
from ..widening import begin_as
from .kinds_mistakes import DRAW, DRAW_SAYS
from .randomness import fault_of_draws, seeded
from .your_own_mistakes import PARENTS

first_apple = ChoiceExercise(
    "your_own.first_apple",
    options={
        "a": "an apple, only blurred: the new class is called food/apple",
        "b": "exactly what the old network draws for food from this noise",
        "c": "noise: the weights of a class that was never trained are random",
        "d": "what the old network draws without any class",
    },
    answer="b",
    why={
        "a": "The network never sees a name, only a 1 in some place of the context. What an apple "
        "is, it must "
        "learn from pictures.",
        "c": "No weight of the new network is random: the column of each new class is a copy of an old one.",
        "d": "That would come from a column of zeros, for a class that begins as none. This one has the "
        "column of food.",
    },
    right="Its column is that of food, all other weights are the old ones, and so is each prediction.",
    hints=(
        "Write down what the first layer of the embedding computes for a one-hot context: which of its "
        "numbers are used?",
        "W c with a single 1 in c is one column of W. From where does the new network have this column?",
    ),
    difficulty=1,
    minutes=2,
)

where_it_helps = ChoiceExercise(
    "your_own.where_it_helps",
    options={
        "a": "at small t, where the details of an apple are painted",
        "b": "at large t, where the noisy picture does not show yet what it will be",
        "c": "at all t alike: a wish is a wish",
        "d": "nowhere: what kind a sprite is, the network sees for itself",
    },
    answer="b",
    why={
        "a": "With little noise the picture shows its kind by itself, and being told adds next to nothing.",
        "c": "What the wish adds is what the noisy picture does not tell already, and that depends on t.",
        "d": "It does so at small t. At t near T the picture is noise, and all it knows is what it is told.",
    },
    right="Being told counts where the picture itself does not tell: there the kind is news.",
    hints=(
        "Could you say from the noisy picture alone which food it is, at t = 20 and at t = 400?",
        "Where you cannot see it, it helps to be told.",
    ),
    difficulty=1,
    minutes=2,
)


def _parent_cases() -> list[dict]:
    few = ("hero", "non-hero", "food", "food/apple")
    names = (
        "hero",  # what is often got wrong comes first: a complaint shows some eighty letters
        "pets/food",
        "heroine/ada",
        "non-hero/ghost",
        "food/apple",
        "food/pear",
        "hero/stout",
        "cat",
    )
    return [
        {"names": names, "known": few},
        {
            "names": ("side-facing/wolf", "spell & item/axe", "non-hero/yeti", "food/pie"),
            "known": CLASS_NAMES,
        },
        {"names": ("food/apple", "food/pear", "food"), "known": ("food/apple", "food")},
        {"names": ("food/apple", "food/pear", "hero"), "known": ("hero", "food/apple", "food")},
        {"names": ("cat", "dog"), "known": ()},
    ]


parents = FunctionExercise(
    "your_own.parents",
    begin_as,
    _parent_cases,
    mistakes=PARENTS,
    right="Names that contain others, names that are known themselves, and names that nobody knows.",
    hints=(
        "What must be equal to an old class: the whole name, or what stands before its slash?",
        'name.partition("/")[0] is what stands before the slash, and the whole name if there is none.',
    ),
    difficulty=2,
    minutes=6,
)


SHARES = {0: {5: 0.9, 2: 0.1}, 1: {0: 1.0}, 2: {1: 0.5, 4: 0.3, 3: 0.2}}  # of each kind in its class


def _test_draws(answer) -> str | None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.cat([torch.full((int(600 * p),), kind) for s in SHARES.values() for kind, p in s.items()])
    classes = torch.cat([torch.full((600,), k) for k in SHARES])
    order = torch.randperm(len(kinds), generator=generator)
    order = torch.cat((order[kinds[order] == 3], order[kinds[order] != 3]))  # a class begins with a rare kind
    kinds, classes = kinds[order], classes[order]
    wanted = torch.randint(0, 3, (6000,), generator=generator)
    before = [x.clone() for x in (kinds, classes, wanted)]
    try:
        got = answer(kinds, classes, wanted, seeded(1))
    except RuntimeError as error:
        if "random_ expects" not in str(error):  # what torch.randint says to an empty range
            raise
        return DRAW_SAYS["absent"]
    if not all(torch.equal(x, y) for x, y in zip(before, (kinds, classes, wanted))):
        return "An argument is changed on the way, and the caller still needs it."
    if not isinstance(got, Tensor):
        return f"A LongTensor (batch,) is wanted, got {type(got).__name__}."
    if got.shape != wanted.shape or got.dtype != torch.long:
        return f"A LongTensor {tuple(wanted.shape)} is wanted, got {got.dtype} {tuple(got.shape)}."
    class_of = torch.empty(6, dtype=torch.long)
    class_of[kinds] = classes
    fits = (got >= 0) & (got <= 5) & (class_of[got.clamp(0, 5)] == wanted)
    if [fits[wanted == k].all().item() for k in SHARES].count(True) == 1:
        return DRAW_SAYS["one class"]
    if got.min() < 0 or got.max() > 5:
        return DRAW_SAYS["places"]
    right = (class_of[got] == wanted).float().mean().item()
    if right < 1:
        sorted_right = torch.equal(class_of[got], wanted.sort().values)
        return DRAW_SAYS["order" if sorted_right else "class"]
    for k, shares in SHARES.items():
        own = got[wanted == k]
        found = {kind: (own == kind).float().mean().item() for kind in shares}
        if len(shares) > 1 and max(found.values()) == 1:
            wish, seeds = torch.tensor([2]), range(10)
            again = {answer(kinds, classes, wish, seeded(seed)).item() for seed in seeds}
            known = {frozenset({1}): "most frequent", frozenset({3}): "always first"}
            return DRAW_SAYS[known.get(frozenset(again), "one for all")]
        if len(shares) > 1 and all(abs(f - 1 / len(shares)) < 0.05 for f in found.values()):
            return DRAW_SAYS["uniform"]
        for kind, share in shares.items():
            if abs(found[kind] - share) > 0.05:
                return (
                    f"Kind {kind} should be {share:.0%} of class {k}, as in the data, and is "
                    f"{found[kind]:.0%}."
                )
    return _test_randomness(answer, kinds, classes, wanted)


def _test_randomness(answer, kinds: Tensor, classes: Tensor, wanted: Tensor) -> str | None:
    """Does it draw afresh each time, and from the generator that it gets?"""
    if fault := fault_of_draws(lambda generator: answer(kinds, classes, wanted, generator)):
        return DRAW_SAYS[fault]
    generator = seeded(2)
    single = answer(kinds, classes, torch.tensor([1]), generator)
    if single.tolist() != [0]:
        return f"For a single wish for class 1, whose only kind is 0, it gives {single.tolist()}."
    kinds, classes = torch.cat((kinds, torch.tensor([6, 7]))), torch.cat((classes, torch.tensor([3, 3])))
    rare = answer(kinds, classes, torch.full((40,), 3), generator)
    for kind, place in ((6, "first"), (7, "last")):
        if kind not in rare:
            return DRAW_SAYS[place]
    return None


draw_kinds = PropertyExercise(
    "your_own.draw_kinds",
    drawing.draw_kinds,
    _test_draws,
    mistakes=DRAW,
    right=(
        "Each kind is of the class that was wanted, in the order of the wishes, and as frequent as "
        "in the data."
    ),
    hints=(
        "The kind of a random sprite of the class is as frequent as in the data, without any counting.",
        "own = kinds[classes == k] has the kinds of all sprites of class k: draw places in it with "
        "torch.randint.",
        "One draw for each wish: torch.randint(len(own), (int((wanted == k).sum()),), generator=generator).",
    ),
    difficulty=3,
    minutes=8,
)
