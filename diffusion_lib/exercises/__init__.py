"""The exercises of the lessons, an object each. In a lesson: from diffusion_lib.exercises import unet."""

import importlib

from ..checks import Exercise
from ..progress import done

LESSONS = ("unet", "forward_noising", "training", "ddpm_sampling", "context", "ddim")


def exercises_of(lesson: str) -> list[Exercise]:
    """The exercises of a lesson, in the order in which they are written down."""
    module = importlib.import_module(f".{lesson}", __name__)
    return [value for value in vars(module).values() if isinstance(value, Exercise)]


def show_progress():
    """A table of the exercises, done and to do, for the last line of a cell."""
    from IPython.display import Markdown  # only notebooks need it

    kept, lines = done(), ["| lesson | exercise | difficulty | minutes | done |", "|---|---|---|---|---|"]
    for number, lesson in enumerate(LESSONS, start=1):
        for exercise in exercises_of(lesson):
            name = exercise.key.split(".", 1)[-1].replace("_", " ")
            day = kept.get(exercise.key, "to do")
            lines.append(
                f"| {number:02d} | {name} | {exercise.difficulty} of 5 | {exercise.minutes} | {day} |"
            )
    return Markdown("\n".join(lines))
