"""Exercises of lesson 03: the loss, draw t, where the loss is high, the learning rate, an honest display."""

import torch

from ..checks import ChoiceExercise, FunctionExercise, Mistake, PropertyExercise
from ..training import noise_prediction_loss
from . import training_draws, training_loss, training_mistakes


def rate_factor(step, num_steps, warmup_steps):
    warmup = min((step + 1) / max(warmup_steps, 1), 1.0)
    decay = 1 - step / num_steps
    return warmup * decay


def to_picture(images):
    return ((images + 1) / 2).clamp(0, 1)


def _rate_cases() -> list[dict]:
    cases = [(0, 1000, 50), (24, 1000, 50), (49, 1000, 50), (50, 1000, 50), (500, 1000, 50), (999, 1000, 50)]
    cases += [(1000, 1000, 50)]
    cases += [(2, 10, 6), (9, 10, 1), (0, 10, 1), (0, 4, 0), (3, 4, 0)]
    return [dict(zip(("step", "num_steps", "warmup_steps"), case)) for case in cases]


def _picture_cases() -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    inside = torch.rand(4, 3, 8, 8, generator=generator) * 1.6 - 0.8
    beyond = torch.randn(2, 3, 4, 4, generator=generator) * 1.5
    gray = torch.full((1, 1, 4, 6), 0.25, dtype=torch.float64)
    return [{"images": images} for images in (inside, beyond, gray)]


loss = FunctionExercise(
    "training.loss",
    noise_prediction_loss,
    training_loss.cases,
    mistakes=training_loss.MISTAKES,
    difficulty=2,
    minutes=8,
    hints=(
        "Three lines: the noisy image, the answer, how far it is from the noise. The table has each.",
        "The network is told t / T, one number for each image, and the context: "
        "model(x_t, t / schedule.num_steps, context).",
        "(noise - predicted_noise).square() has a value for each pixel. flatten(start_dim=1) and mean(dim=1) "
        "leave one for each image.",
    ),
    right="Images with a context, points without one, two schedules, the first and the last step, and the "
    "gradient reaches the network.",
)

draw_steps = PropertyExercise(
    "training.draw_steps",
    training_draws.draw_steps,
    training_draws.test,
    mistakes=[Mistake(answer, says) for answer, says in training_draws.MISTAKES],
    difficulty=1,
    minutes=4,
    hints=(
        "torch.randint(low, high, size, generator=...) draws whole numbers. low can come out, high cannot.",
        "low is 1, high is num_steps + 1, and the size is a tuple of one number, (batch_size,).",
    ),
    right="Whole numbers, one for each image, 1 and T included, all equally often, and drawn from the "
    "generator alone.",
)

highest_loss = ChoiceExercise(
    "training.highest_loss",
    {
        "a": "at large t: there is most noise there, so there is most to get wrong",
        "b": "at small t: there is so little noise that it is hard to tell from the image",
        "c": "in the middle: both ends are easy",
        "d": "the same at every t, because every t is drawn equally often",
    },
    "b",
    {
        "a": "The network predicts ε, whose variance is 1 at every t. At large t the input x_t is nearly ε "
        "itself: to repeat the input is almost right.",
        "c": "One end is easy. At the other one, ε is a faint disturbance of a point whose place is not "
        "known: look at what x_t holds at t = 1. (Both ends are easy for those alone who know each clean "
        "image by heart, like the formula for 2,000 sprites above.)",
        "d": "Equally often drawn is not equally hard: x_t tells much of ε at one t and little at another.",
    },
    difficulty=2,
    minutes=2,
    hints=(
        "How well could you name ε if you saw x_t at t = T, where √(1 − ᾱ_t) is nearly 1?",
        "And at t = 1, where x_t is the clean point plus ε times 0.014?",
    ),
    right="The less noise there is, the harder it is to see. A small error there does little harm: the "
    "noise that is taken off is just as faint. The next figure shows it.",
)

rate_factor = FunctionExercise(
    "training.rate_factor",
    rate_factor,
    _rate_cases,
    mistakes=training_mistakes.RATE,
    tolerance=1e-6,
    difficulty=2,
    minutes=6,
    hints=(
        "Two factors: one climbs from 1 / warmup_steps to 1 and stays there, one falls from 1 towards 0.",
        "min((step + 1) / warmup_steps, 1.0) is the first. Think of warmup_steps = 0.",
        "The second is 1 - step / num_steps: at the last step, num_steps - 1, it is 1 / num_steps.",
    ),
    right="Twelve steps of four runs: the first one, the end of the warm-up, the last ones, and no warm-up.",
)

to_picture = FunctionExercise(
    "training.to_picture",
    to_picture,
    _picture_cases,
    mistakes=training_mistakes.PICTURE,
    difficulty=2,
    minutes=6,
    hints=(
        "Which values are black and white in every image? Not the smallest and largest it happens to hold.",
        "-1 becomes 0 and 1 becomes 1, by one line for all; what lies outside is clipped.",
        "((images + 1) / 2).clamp(0, 1)",
    ),
    right="Images within the range keep their colours, values beyond it are clipped, a constant image "
    "stays what it is, and the input is left alone.",
)
