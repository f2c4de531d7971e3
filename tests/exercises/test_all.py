"""Every exercise: the reference is accepted, the stub is told apart, each mistake is named."""

import importlib
import json
import re
from pathlib import Path

import pytest
import torch

from diffusion_lib.checks import ChoiceExercise, Exercise, FunctionExercise, NumberExercise, PropertyExercise
from diffusion_lib.exercises import LESSONS, exercises_of, first

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
ALL = [first] + [exercise for lesson in LESSONS for exercise in exercises_of(lesson)]
CODING = [exercise for exercise in ALL if isinstance(exercise, (FunctionExercise, PropertyExercise))]
MISTAKES = [
    pytest.param(exercise, mistake, id=f"{exercise.key}-{i}")
    for exercise in ALL
    for i, mistake in enumerate(exercise.mistakes)
]


@pytest.fixture(autouse=True)
def keeps_random_state():
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


def by_key(exercise):
    return exercise.key


def test_keys_are_unique_and_every_lesson_has_its_share():
    assert len({exercise.key for exercise in ALL}) == len(ALL)
    for lesson in LESSONS:
        assert len(exercises_of(lesson)) >= (2 if lesson == "unet" else 3), lesson
        assert any(isinstance(e, ChoiceExercise) for e in exercises_of(lesson)), f"{lesson}: no prediction"
        assert lesson == "symptoms" or any(e in CODING for e in exercises_of(lesson)), lesson


@pytest.mark.parametrize(("lesson", "number"), [(lesson, i) for i, lesson in enumerate(LESSONS, start=1)])
def test_they_are_listed_as_the_lesson_has_them(lesson, number):
    """show_progress numbers them by this order."""
    module = importlib.import_module(f"diffusion_lib.exercises.{lesson}")
    assert {name for name, value in vars(module).items() if isinstance(value, Exercise)} == set(
        LESSONS[lesson]
    )
    (path,) = NOTEBOOKS.glob("symptoms.ipynb" if lesson == "symptoms" else f"0{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    checked = re.findall(r"^exercises\.(\w+)\.check\(", "\n".join("".join(c["source"]) for c in cells), re.M)
    assert checked == list(LESSONS[lesson])


@pytest.mark.parametrize("exercise", ALL, ids=by_key)
def test_the_reference_is_right(exercise):
    verdict = exercise.judge(exercise.reference)
    assert verdict.status == "right", verdict.text


@pytest.mark.parametrize("exercise", ALL, ids=by_key)
def test_a_stub_is_not_attempted(exercise):
    for stub in (..., None):
        assert exercise.judge(stub).status == "not attempted"


@pytest.mark.parametrize("exercise", CODING, ids=by_key)
def test_an_untouched_function_and_one_that_stops(exercise):
    def stops(*args, **kwargs):
        raise KeyError("no such name")

    assert exercise.judge(lambda *args, **kwargs: None).status == "not attempted"
    assert exercise.judge(lambda *args, **kwargs: ...).status == "not attempted"
    verdict = exercise.judge(lambda *args, **kwargs: print(end=""))
    assert verdict.status == "wrong" and "is its `return` missing?" in verdict.text
    verdict = exercise.judge(stops)
    assert verdict.status == "crashed" and "KeyError: 'no such name'" in verdict.text
    assert exercise.judge("text").status == "wrong"


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_each_mistake_is_refused_in_its_own_words(exercise, mistake):
    verdict = exercise.judge(mistake.answer)
    assert verdict.status in ("wrong", "crashed"), verdict
    assert mistake.says in verdict.text, verdict
    assert 15 <= len(verdict.text) <= 420


@pytest.mark.parametrize("exercise", ALL, ids=by_key)
def test_enough_mistakes_are_known_and_each_says_its_own(exercise):
    fewest = 6 if exercise in CODING else 1 if isinstance(exercise, NumberExercise) else 2
    assert len(exercise.mistakes) >= fewest
    said = [mistake.says for mistake in exercise.mistakes]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("exercise", ALL, ids=by_key)
def test_hints_and_solution(exercise, capsys):
    exercise.hint()
    exercise.hint()
    exercise.solution()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Hint 1") and lines[1].startswith("Hint 2") and len(lines) >= 3
