"""The exercises of the lessons, an object each. In a lesson: from diffusion_lib.exercises import unet."""

import importlib

from ..checks import Exercise, Mistake, NumberExercise
from ..progress import done

LESSONS = ("unet", "forward_noising", "training", "ddpm_sampling", "context", "ddim", "symptoms")

first = NumberExercise(  # the one in 00, to try a check on
    "start.first", 768, tolerance=0, difficulty=1, minutes=1,
    mistakes=[Mistake(256, "256 is the number of pixels. Each has a red, a green and a blue part."),
              Mistake(48, "48 is one row of pixels with its colours. There are 16 rows.")],
    hints=("A sprite is 16 pixels wide and 16 high.", "Each pixel has three numbers: red, green and blue."),
    solution="16 * 16 * 3 = 768",
    right="16 × 16 pixels of 3 colours: to the network a sprite is a point in a space of 768 dimensions.",
)  # fmt: skip


def exercises_of(lesson: str) -> list[Exercise]:
    """The exercises of a lesson, in the order in which they are written down."""
    module = importlib.import_module(f".{lesson}", __name__)
    return [value for value in vars(module).values() if isinstance(value, Exercise)]


def show_progress():
    """A table of the exercises, done and to do, for the last line of a cell."""
    from IPython.display import Markdown  # only notebooks need it

    kept, lines = done(), ["| lesson | exercise | difficulty | minutes | done |", "|---|---|---|---|---|"]
    lessons = [[first], *map(exercises_of, LESSONS)]
    for number, exercises in enumerate(lessons):
        for exercise in exercises:
            name = exercise.key.split(".", 1)[-1].replace("_", " ")
            day = kept.get(exercise.key, "to do")
            place = f"{number:02d}" if number < len(LESSONS) else "gallery"
            lines.append(f"| {place} | {name} | {exercise.difficulty} of 5 | {exercise.minutes} | {day} |")
    return Markdown("\n".join(lines))
