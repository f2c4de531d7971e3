"""Lesson 07's exercises: right answers in other words, and wrong ones that the shared tests do not hold."""

import pytest
import torch

from diffusion_lib.data import load_images
from diffusion_lib.exercises import your_own as exercises


def verdict(exercise, answer):
    found = exercise.judge(answer)
    return found.status, found.text


# Parents: written in other ways.


def parents_loop(names, known):
    found = []
    for name in names:
        place = None
        for i, old in enumerate(known):
            if old == name or (place is None and old == name.split("/")[0]):
                place = i
        found.append(place)
    return found


def parents_sorted_by_length(names, known):
    """The longest class that is the name, or that a slash follows: right, and stranger than it need be."""
    return [
        max(
            (i for i, k in enumerate(known) if f"{name}/".startswith(f"{k}/")),
            default=None,
            key=lambda i: len(known[i]),
        )
        for name in names
    ]


@pytest.mark.parametrize("answer", [parents_loop, parents_sorted_by_length])
def test_other_right_parents(answer):
    status, text = verdict(exercises.parents, answer)
    assert status == "right", text


def test_a_tuple_is_as_good_as_a_list():
    answer = lambda names, known: tuple(exercises.parents.reference(names, known))  # noqa: E731
    assert verdict(exercises.parents, answer)[0] == "right"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda names, known: [0 for _ in names], "Wrong value"),
        (lambda names, known: {name: 0 for name in names}, "A list of 8 is wanted, got dict"),
        (lambda names, known: [known[name] for name in names], "It stopped with TypeError"),
        (
            lambda names, known: [known.index(name[: name.index("/")]) for name in names],
            "substring not found",
        ),
    ],
)
def test_other_wrong_parents(answer, says):
    status, text = verdict(exercises.parents, answer)
    assert status in ("wrong", "crashed") and says in text, text


# Kinds: drawn in other ways. Each uses the generator in its own manner.


def kinds_one_by_one(kinds, classes, wanted, generator):
    drawn = []
    for k in wanted:
        own = kinds[classes == k]
        drawn.append(own[torch.randint(len(own), (), generator=generator)])
    return torch.stack(drawn)


def kinds_by_counting(kinds, classes, wanted, generator):
    count = torch.zeros(int(classes.max()) + 1, int(kinds.max()) + 1)
    count.index_put_((classes, kinds), torch.ones(len(kinds)), accumulate=True)
    return torch.multinomial(count[wanted], 1, generator=generator)[:, 0]


def kinds_by_sprite(kinds, classes, wanted, generator):
    fits = (classes == wanted[:, None]).float()  # (batch, sprites)
    return kinds[torch.multinomial(fits, 1, generator=generator)[:, 0]]


@pytest.mark.parametrize("answer", [kinds_one_by_one, kinds_by_counting, kinds_by_sprite])
def test_other_right_ways_to_draw_kinds(answer):
    status, text = verdict(exercises.draw_kinds, answer)
    assert status == "right", text


def kinds_in_place(kinds, classes, wanted, generator):
    wanted[:] = kinds_by_counting(kinds, classes, wanted, generator)
    return wanted


def kinds_half_flat(kinds, classes, wanted, generator):
    """As often as the square root of how often the data has them."""
    count = torch.zeros(3, 6)
    count.index_put_((classes, kinds), torch.ones(len(kinds)), accumulate=True)
    return torch.multinomial(count.sqrt()[wanted], 1, generator=generator)[:, 0]


def kinds_for_many_alone(kinds, classes, wanted, generator):
    return kinds_by_counting(kinds, classes, wanted, generator) if len(wanted) > 1 else wanted


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (kinds_in_place, "An argument is changed on the way"),
        (kinds_half_flat, "as in the data, and is"),
        (kinds_for_many_alone, "For a single wish for class 1"),
        (lambda kinds, classes, wanted, generator: kinds, "A LongTensor (6000,) is wanted"),
        (lambda kinds, classes, wanted, generator: [0], "is wanted, got list"),
        (lambda kinds, classes, wanted, generator: wanted, "not of the class that was wanted"),
    ],
)
def test_other_wrong_ways_to_draw_kinds(answer, says):
    status, text = verdict(exercises.draw_kinds, answer)
    assert status == "wrong" and says in text, text


def test_the_reference_on_the_sprites():
    sprites = load_images("sprites")
    classes, wanted = sprites.labels.argmax(dim=1), torch.arange(5).repeat(400)
    drawn = exercises.draw_kinds.reference(sprites.kinds, classes, wanted, torch.Generator().manual_seed(0))
    walker = sprites.kind_names.index("side-facing/walker")
    assert (drawn[wanted == 4] == walker).float().mean().item() == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("exercise", [exercises.first_apple, exercises.where_it_helps])
def test_choices_take_capitals_and_refuse_other_letters(exercise):
    assert verdict(exercise, " B ")[0] == "right"
    assert verdict(exercise, "e")[1].startswith("The answer must be one of 'a', 'b', 'c', 'd'")
