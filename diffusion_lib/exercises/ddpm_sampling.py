"""Exercises of lesson 04: the loop, what the noise is for, the mean from x_0, and a faulty loop."""

from ..checks import ChoiceExercise, FunctionExercise, Mistake, PropertyExercise
from . import reverse_mean, sampling_loop
from .sampling_loop_mistakes import MISTAKES as LOOPS
from .sampling_loop_mistakes import copied_loop

my_sampler = PropertyExercise(
    "ddpm_sampling.my_sampler",
    sampling_loop.mended_loop,
    sampling_loop.test,
    mistakes=[Mistake(answer, says) for answer, says in LOOPS],
    difficulty=3,
    minutes=12,
    solution="""
    def my_sampler(predict_noise, schedule, x_T, generator):
        x = x_T
        for t in range(schedule.num_steps, 0, -1):
            fresh_noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = ddpm_step(schedule, x, t, predict_noise(x, t), fresh_noise)
        return x
    """,
    hints=(
        "Three things happen at each t: ask for the noise, draw fresh noise, take the step.",
        "range(schedule.num_steps, 0, -1) counts from T down to 1.",
        "torch.randn(x.shape, generator=generator, dtype=x.dtype) is the fresh noise; ddpm_step does the "
        "rest, and leaves the noise out at t = 1.",
    ),
    right="Asked once at each t from T down to 1. x_t and the predicted noise have their factors at each "
    "step, and the noise has the deviation σ_t, comes from the generator and is missing at t = 1 alone.",
)

without_noise = ChoiceExercise(
    "ddpm_sampling.without_noise",
    {
        "a": "The same sprites, only cleaner: the noise was what made them speckled.",
        "b": "Dull sprites; within a class nearly all the same.",
        "c": "Exact copies of training sprites: without noise nothing new can come out.",
        "d": "Pure noise: the loop does not work at all without it.",
    },
    "b",
    {
        "a": "The noise is no dirt on a finished picture. It is the spread of the reverse step: without it, "
        "each step ends nearer to the average than a true x_{t-1} would.",
        "c": "The mean pulls to the average of all clean images that are still possible, early in the run to "
        "that of nearly all. Grey is left of that to the end, and no training image is grey.",
        "d": "Each step still takes noise away, so x_t does get cleaner. But it loses more variance than it "
        "should.",
    },
    difficulty=1,
    minutes=2,
    hints=(
        "The network's guess of x_0 is an average of all clean images that x_t could have come from.",
        "A step that goes to the mean and stays there gives away some variance, five hundred times in a row.",
    ),
    right="The mean of the reverse step has less variance than x_{t-1} itself. Without the noise that puts "
    "it back, what tells the samples apart dies out, and all of a class end as one picture. The next figure "
    "shows it.",
)


posterior_mean = FunctionExercise(
    "ddpm_sampling.posterior_mean",
    reverse_mean.posterior_mean,
    reverse_mean.cases,
    tolerance=5e-4,  # in float32 1 - alpha_bar loses that much at t = 1
    mistakes=reverse_mean.MISTAKES,
    difficulty=2,
    minutes=8,
    hints=(
        "The formula ends line 4 of the folded derivation: two shares that depend on t alone, two tensors.",
        "ᾱ_{t-1} is schedule.alpha_bar[t - 1]. At t = 1 it is 1: the share of x_t must be 0 there.",
        "share_of_clean = alpha_bar_before.sqrt() * beta / (1 - alpha_bar); the other: 1 - alpha_bar_before.",
    ),
    right="Two schedules, images and points, float32 and float64, and the last step, where only the clean "
    "image is left.",
)

mended_loop = PropertyExercise(
    "ddpm_sampling.mended_loop",
    sampling_loop.mended_loop,
    sampling_loop.test,
    mistakes=[
        Mistake(copied_loop, sampling_loop.SHARE_ROOTLESS),
        *(Mistake(answer, says) for answer, says in LOOPS if says != sampling_loop.SHARE_ROOTLESS),
    ],
    difficulty=3,
    minutes=10,
    hints=(
        "One fault is in the mean, two are in the noise. Compare with the formula in section 3.",
        "Give the loop a predict_noise that always says 0: x_{t-1} - x_t / √α_t is then the noise of a step. "
        "Compare its deviation with √β_t, and the noises of two steps with each other.",
        "The root of 1 - ᾱ_t in the share; z drawn inside of the loop; the noise added after the division.",
    ),
    right="x_t and the predicted noise have their factors at each step. The noise is Gaussian, of the "
    "deviation σ_t, new at each step, from the generator, and there is none at t = 1.",
)
