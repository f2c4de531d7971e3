"""The frame of the exercises: what each kind says to each answer, and that it leaves nothing behind."""

import errno
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion_lib import progress
from diffusion_lib.checks import ChoiceExercise, FunctionExercise, Mistake, NumberExercise, PropertyExercise

COMMON = {"difficulty": 1, "minutes": 5, "hints": ("look", "look closer"), "right": "All of it."}


def scale(x, factor):
    return x * factor


def cases():
    generator = torch.Generator().manual_seed(0)
    for shape in ((2, 3), (1, 4, 4)):
        for dtype in (torch.float32, torch.float64):
            yield {"x": torch.randn(shape, generator=generator, dtype=dtype), "factor": 3.0}


def added(x, factor):
    return x + factor


def in_place(x, factor):
    return x.mul_(factor)


@pytest.fixture
def exercise():
    mistakes = [Mistake(added, "Times, not plus."), Mistake(in_place, "Your x is lost.")]
    return FunctionExercise("test.scale", scale, lambda: list(cases()), mistakes=mistakes, **COMMON)


def judge(exercise, answer):
    verdict = exercise.judge(answer)
    return verdict.status, verdict.text


def test_right_answers_are_accepted_however_they_are_written(exercise):
    for answer in (
        scale,
        lambda x, factor: factor * x,
        lambda x, factor: x.clone().mul_(factor),
        lambda x, factor: torch.stack([x] * 3).sum(dim=0),
    ):
        assert judge(exercise, answer) == ("right", "Right. All of it.")


def test_each_way_to_be_wrong_has_its_own_words(exercise):
    def crashes(x, factor):
        return x @ torch.zeros(99, 99)

    def untouched(x, factor):
        """Times factor."""
        ...

    def forgets(x, factor):
        x * factor

    for answer, status, words in (
        (..., "not attempted", "Not attempted yet"),
        (None, "not attempted", "Not attempted yet"),
        (lambda x, factor: ..., "not attempted", "Not attempted yet"),
        (lambda x, factor: None, "not attempted", "Not attempted yet"),
        (untouched, "not attempted", "Not attempted yet"),
        (forgets, "wrong", "gives nothing back (None): is its `return` missing?"),
        (7, "wrong", "A function is wanted, got 7"),
        (added, "wrong", "Times, not plus."),
        (in_place, "wrong", "Your x is lost."),
        (lambda x, factor: x.add_(1), "wrong", "x is changed on the way"),
        (crashes, "crashed", "in the line `return x @ torch.zeros(99, 99)`"),
        (crashes, "crashed", "x = [1.541, -0.2934, -2.1788, 0.5684, -1.0845, -1.3986], factor = 3.0"),
        (lambda x, factor: (x * factor)[0], "wrong", "Wrong shape: (3,), (2, 3) is wanted."),
        (lambda x, factor: (x * factor).double(), "wrong", "torch.float64, torch.float32 is wanted."),
        (lambda x, factor: (x * factor).tolist(), "wrong", "A tensor of shape (2, 3) is wanted, got list."),
        (lambda x, factor: x * factor + 0.01, "wrong", "where they differ most"),
        (lambda x, factor: x * torch.nan, "wrong", "nan stands"),
        (lambda one: one, "crashed", "takes 1 positional argument but 2 were given"),
    ):
        got = judge(exercise, answer)
        assert got[0] == status and words in got[1], (got, words)


def test_the_parameters_may_have_other_names(exercise):
    assert judge(exercise, lambda tensor, by: tensor * by)[0] == "right"
    assert judge(exercise, lambda *both: both[0] * both[1])[0] == "right"
    assert judge(exercise, torch.mul)[0] == "right", "a function of C has no signature"


def test_a_lesson_goes_on_with_what_is_right(exercise):
    def mine(x, factor):
        return factor * x

    assert exercise.yours_or_ours(mine) is mine
    for other in (..., added):
        assert exercise.yours_or_ours(other) is exercise.reference


def test_a_lost_gradient_is_named():
    exercise = FunctionExercise(
        "test.gradient", scale,
        lambda: [{"x": torch.ones(2, 2, requires_grad=True), "factor": 2.0}], **COMMON,
    )  # fmt: skip
    assert "carries no gradient" in exercise.judge(lambda x, factor: x.detach() * factor).text


def test_lists_and_numbers_are_compared():
    exercise = FunctionExercise(
        "test.list", lambda n: list(range(n)), lambda: [{"n": 3}, {"n": 5}], solution="range", **COMMON
    )
    assert exercise.judge(lambda n: tuple(range(n))).status == "right"
    assert exercise.judge(lambda n: [0, 1, 2]).text.startswith("Wrong length: 3, 5 is wanted.")
    assert exercise.judge(lambda n: [0, 1, 3, 3, 4][:n]).text.startswith(
        "Wrong value: [0, 1, 3], [0, 1, 2] is wanted. The first that differs, at [2]: 3 for 2."
    )


def test_choices():
    exercise = ChoiceExercise("test.choice", {"a": "up", "b": "down"}, "b", {"a": "It falls."}, **COMMON)
    assert judge(exercise, " B ")[0] == "right"
    assert judge(exercise, "a") == ("wrong", "Not a. It falls.")
    assert judge(exercise, "c")[1] == "The answer must be one of 'a', 'b', got 'c'."
    assert "in quotation marks is wanted, one of 'a', 'b'" in judge(exercise, torch.eye(2))[1]
    assert judge(exercise, 3)[0] == "wrong" and judge(exercise, ...)[0] == "not attempted"
    with pytest.raises(ValueError, match="must say why"):
        ChoiceExercise("test.choice", {"a": "up", "b": "down"}, "b", {}, **COMMON)


def test_numbers():
    exercise = NumberExercise(
        "test.number",
        0.5,
        tolerance=0.01,
        mistakes=[Mistake(0.25, "Take the root.")],
        solution="1/2",
        **COMMON,
    )
    assert judge(exercise, torch.tensor(0.505))[0] == "right"
    assert judge(exercise, 0.25) == ("wrong", "Take the root.")
    assert judge(exercise, 3)[1] == "3 is too large." and judge(exercise, -1)[1] == "-1 is too small."
    assert judge(exercise, float("nan"))[1] == "nan is no number."
    assert judge(exercise, "x")[1] == "The answer must be one number, got 'x'."


def test_properties():
    def draws(function):
        values = function(1000)
        return None if values.min() >= 0 else "All must be positive."

    exercise = PropertyExercise("test.draw", torch.rand, draws, solution="rand", **COMMON)
    assert judge(exercise, lambda n: torch.rand(n) * 2)[0] == "right"
    assert judge(exercise, lambda n: torch.randn(n)) == ("wrong", "All must be positive.")
    assert judge(exercise, lambda n: ...)[0] == "not attempted"

    class Stops:
        def __init__(self, n):
            self.n = n / 0

    assert "in the line `self.n = n / 0`" in exercise.judge(Stops).text
    status, text = judge(exercise, lambda n: 1 / 0)
    assert status == "crashed" and "ZeroDivisionError: division by zero" in text


def test_the_random_state_and_hints(exercise, capsys):
    def greedy(x, factor):
        torch.rand(3), np.random.rand(3), random.random()
        return x * factor

    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert exercise.judge(greedy).status == "right"
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]
    for expected in ("Hint 1 of 2: look", "Hint 2 of 2: look closer", "Hint 2 of 2: look closer"):
        exercise.hint()
        assert capsys.readouterr().out.strip() == expected
    exercise.solution()
    assert "return x * factor" in capsys.readouterr().out


def test_progress_is_kept_and_forgotten(exercise, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    exercise.check(added)
    assert progress.done() == {}
    exercise.check(scale)
    exercise.check(scale)
    assert list(progress.done()) == ["test.scale"]
    progress.record_done("test.other")
    assert set(progress.done()) == {"test.scale", "test.other"}
    (tmp_path / "progress.json").write_text("not json")
    assert progress.done() == {}
    progress.reset_progress()
    progress.reset_progress()
    assert not list(tmp_path.iterdir())
    capsys.readouterr()

    def read_only(*names, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("write_text", "unlink"):  # on such a disk even what is not there cannot be removed
        monkeypatch.setattr(Path, name, read_only)
    exercise.check(scale)  # it stops no lesson
    assert capsys.readouterr().out == "Right. All of it.\n" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"difficulty": 0}, {"difficulty": 6}, {"hints": ("one",)}])
def test_an_exercise_must_be_complete(wrong):
    with pytest.raises(ValueError):
        NumberExercise("test.number", 1.0, tolerance=0.1, solution="1", **(COMMON | wrong))
