"""The exercises of lesson 06, DDIM: another sampler for the same network."""

import torch
from torch import Tensor

from ..checks import ChoiceExercise, FunctionExercise, PropertyExercise
from ..schedule import NoiseSchedule
from . import ddim_mistakes as known
from . import slerp_mistakes

predict_eta = ChoiceExercise(
    "ddim.predict_eta",
    options={
        "a": "nothing: x_T decides the sprite, with any eta",
        "b": "the sprite is another one than with eta = 0, and another one for each seed of the fresh noise",
        "c": "the sprites are those that DDPM draws from this x_T in 500 steps, because eta = 1 is DDPM",
        "d": "each step needs a second network evaluation, so that it takes twice as long",
        "e": "the finished sprite is speckled, because each step adds noise, the last one too",
    },
    answer="b",
    why={
        "a": "That is true for eta = 0 alone. With eta = 1 each step but the last adds fresh noise, and that "
        "noise decides, too.",
        "c": "eta = 1 is DDPM over consecutive steps, 500 of 500. Here a step is 25 times as long, with "
        "other fresh noise: other sprites, even if they should be about as good.",
        "d": "The fresh noise is drawn, not predicted: a step costs one network evaluation with any eta.",
        "e": "The last step goes to t = 0, where alpha_bar is 1. The first factor of eq. 16 is 0 there, so "
        "sigma is 0 and no noise is added.",
    },
    right="sigma is above 0 in each step but the last, so the result depends on x_T and on all the noise "
    "drawn on the way.",
    hints=(
        "Where does noise enter in eq. 12, and what is its factor when eta = 1?",
        "Put t_next = 0 into eq. 16, then t_next = 475. In which of the two steps is sigma above 0?",
    ),
    difficulty=1,
    minutes=2,
)


def spaced_times(total_steps, num_steps):
    """The num_steps + 1 times from total_steps down to 0, as even as whole numbers allow."""
    return [round(total_steps * (num_steps - i) / num_steps) for i in range(num_steps + 1)]


def _test_times(answer) -> str | None:
    wrong = set()
    for total, n in ((500, 5), (500, 1), (7, 3), (500, 30), (500, 200), (500, 499), (500, 500)):
        wrong |= known.judge_times(answer(total, n), total, n)
    return next((says for name, says in known.TIMES_SAY.items() if name in wrong), None)


times = PropertyExercise(
    "ddim.times",
    spaced_times,
    _test_times,
    mistakes=known.TIMES,
    right="For n that divides T and n that does not, up to n = T: n steps, from T to 0, none twice, evenly "
    "spaced.",
    hints=(
        "Do not make a stride and add it up: work out each time on its own, and round it last.",
        "After i of n steps the share (n - i) / n of the way from T to 0 is left. i runs from 0 to n.",
        "round(total_steps * (num_steps - i) / num_steps), for i in range(num_steps + 1).",
    ),
    difficulty=2,
    minutes=5,
)

x0_pred = ChoiceExercise(
    "ddim.x0_pred",
    options={
        "a": "stretch each frame by its own smallest and largest value",
        "b": "divide each frame by sqrt(alpha_bar) at the step it goes to",
        "c": "divide each frame by sqrt(alpha_bar) at the step it comes from",
        "d": "nothing: the network is unsure at first, and so its guess is grey",
    },
    answer="b",
    why={
        "a": "That makes the frames look right and hides what is wrong: it shifts the colours and leaves the "
        "values too small.",
        "c": "The line divides by that one already, before the brackets. Which other root stands there?",
        "d": "An unsure guess is blurred or speckled, but its white border is near 1, as in all images. In "
        "these frames it is not.",
    },
    right="x0_pred holds sqrt(alpha_bar) at t_next times the clean image: the first term of eq. 12, not the "
    "prediction itself.",
    hints=(
        "Compare the line with the first term of eq. 12, and with predict_clean.",
        "predict_clean has one square root below the fraction bar. What does the line do besides?",
    ),
    difficulty=2,
    minutes=3,
)


def slerp(a: Tensor, b: Tensor, fraction: float) -> Tensor:
    """The point at `fraction` of the arc from a to b, for each of the images (batch, ...) on its own."""
    flat_a, flat_b = a.flatten(start_dim=1), b.flatten(start_dim=1)
    cosine = (flat_a * flat_b).sum(dim=1) / (flat_a.norm(dim=1) * flat_b.norm(dim=1))  # (batch,)
    angle = torch.arccos(cosine).view(-1, *[1] * (a.ndim - 1))  # (batch, 1, 1, 1)
    weight_a = torch.sin((1 - fraction) * angle) / torch.sin(angle)
    weight_b = torch.sin(fraction * angle) / torch.sin(angle)
    return weight_a * a + weight_b * b


def _slerp_cases() -> list[dict]:
    generator, cases = torch.Generator().manual_seed(0), []
    for shape, fraction in (((3, 3, 4, 4), 0.25), ((2, 1, 2, 2), 0.5), ((1, 5), 0.8), ((2, 3, 2, 2), 0.0)):
        a, b = torch.randn(2, *shape, generator=generator)
        cases.append({"a": a, "b": b + 0.4 * a, "fraction": fraction})  # no two angles alike
    return cases


slerp = FunctionExercise(
    "ddim.slerp",
    slerp,
    _slerp_cases,
    tolerance=1e-4,
    mistakes=slerp_mistakes.SLERP,
    right="The ends are a and b, and the angle grows evenly between them, for each image on its own.",
    hints=(
        "First the angle: its cosine is the dot product over both lengths, for each image on its own. "
        "Flatten all but the batch.",
        "The weights are sin((1 - fraction) * angle) / sin(angle) for a and "
        "sin(fraction * angle) / sin(angle) for b.",
        "Before it multiplies a, the angle needs as many axes as a, (batch, 1, ..., 1): "
        "angle.view(-1, *[1] * (a.ndim - 1)).",
    ),
    difficulty=3,
    minutes=10,
)


def sigma_hat(schedule: NoiseSchedule, t: Tensor, t_next: Tensor) -> Tensor:
    """The deviation of the noise that the steps from t_next to t add (DDIM, section 5)."""
    return (1 - schedule.alpha_bar[t] / schedule.alpha_bar[t_next]).sqrt()


def _sigma_cases() -> list[dict]:
    times = (([100, 60, 2], [80, 20, 1]), ([7], [3]), ([25, 1], [0, 0]))
    return [
        {"schedule": schedule, "t": torch.tensor(t), "t_next": torch.tensor(t_next)}
        for schedule in (NoiseSchedule.linear(), NoiseSchedule.cosine(100))
        for t, t_next in times
    ]


sigma_hat = FunctionExercise(
    "ddim.sigma_hat",
    sigma_hat,
    _sigma_cases,
    mistakes=slerp_mistakes.SIGMA_HAT,
    right="It is sqrt(beta_t) over one step, and it keeps its meaning over many.",
    hints=(
        "alpha_bar_t / alpha_bar_next is the share of the variance that the steps from t_next to t keep.",
        "1 minus that share is the variance of the noise they add. A sigma is its square root.",
    ),
    difficulty=2,
    minutes=5,
)
