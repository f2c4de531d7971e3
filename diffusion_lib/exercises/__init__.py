"""The exercises of the lessons, an object each. In a lesson: from diffusion_lib.exercises import unet."""

import importlib

from ..checks import Exercise, Mistake, NumberExercise
from ..progress import done

LESSONS = {  # the exercises of each in the lesson's order: 1.1, 1.2 ...
    "unet": ("shape_of_d2", "scale_without_context", "places_seen", "count_up", "mended_shortcut"),
    "forward_noising": ("half_way", "missing_root", "noise_further", "added_noise", "mended_schedule"),
    "training": ("loss", "draw_steps", "highest_loss", "rate_factor", "to_picture"),
    "ddpm_sampling": ("my_sampler", "without_noise", "posterior_mean", "mended_loop"),
    "context": (
        "weight_zero", "weight_grows", "masked_context", "drop_context", "paper_weight", "combined_noise",
    ),
    "ddim": ("predict_eta", "times", "x0_pred", "slerp", "sigma_hat"),
    "your_own": ("first_apple", "where_it_helps", "parents", "draw_kinds"),
    "empty_cell": (
        "make_alpha_bar", "noised", "tiny_unet", "training_loss", "first_loss", "train_network",
        "guided_noise", "ddpm_sample", "ddim_sample",
    ),
    "symptoms": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
}  # fmt: skip

first = NumberExercise(  # the one in 00, to try a check on
    "start.first", 768, tolerance=0, difficulty=1, minutes=1,
    mistakes=[Mistake(256, "256 is the number of pixels. Each has a red, a green and a blue part."),
              Mistake(48, "48 is one row of pixels with its colours. There are 16 rows.")],
    hints=("A sprite is 16 pixels wide and 16 high.", "Each pixel has three numbers: red, green and blue."),
    solution="16 * 16 * 3 = 768",
    right="16 × 16 pixels of 3 colours: to the network a sprite is a point in a space of 768 dimensions.",
)  # fmt: skip


def exercises_of(lesson: str) -> list[Exercise]:
    """The exercises of a lesson, in its order."""
    module = importlib.import_module(f".{lesson}", __name__)
    return [getattr(module, name) for name in LESSONS[lesson]]


def show_progress():
    """A table of the exercises, done and to do, for the last line of a cell."""
    from IPython.display import Markdown  # only notebooks need it

    kept, lines = done(), ["| | exercise | difficulty | minutes | done |", "|---|---|---|---|---|"]
    places = [("0", first)]
    for chapter, lesson in enumerate(LESSONS, start=1):
        for number, exercise in enumerate(exercises_of(lesson), start=1):
            places.append(("gallery" if lesson == "symptoms" else f"{chapter}.{number}", exercise))
    for place, exercise in places:
        name, day = exercise.key.split(".", 1)[-1].replace("_", " "), kept.get(exercise.key, "to do")
        lines.append(f"| {place} | {name} | {exercise.difficulty} of 5 | {exercise.minutes} | {day} |")
    return Markdown("\n".join(lines))
