"""Notebook 08: what ddpm_sample must do, as lesson 04 asks it, and what people write instead."""

from torch import Tensor

from ..checks import Mistake
from ..schedule import NoiseSchedule
from . import sampling_loop
from .sampling_loop_mistakes import MISTAKES as LOOPS

OTHER_T = "A t beyond alpha_bar: its last index is T = len(alpha_bar) - 1, here 30, whatever T is elsewhere."


def _with_alpha_bar(answer):
    """A loop that takes a schedule and points, as lesson 04's test runs it, from one of this notebook."""

    def loop(predict_noise, schedule: NoiseSchedule, x_T: Tensor, generator):
        def predict(x: Tensor, t) -> Tensor:
            return predict_noise(x.flatten(1), t).view(x.shape)

        got = answer(predict, schedule.alpha_bar.clone(), x_T[:, :, None, None], generator)
        fits = isinstance(got, Tensor) and got.shape == (*x_T.shape, 1, 1)
        return got[:, :, 0, 0] if fits else got

    return loop


def test_ddpm(answer) -> str | None:
    """What lesson 04 asks of a loop, of one that takes alpha_bar: 1,500 images of 2 x 1 x 1."""
    complaint = sampling_loop.test(_with_alpha_bar(answer))
    return OTHER_T if complaint == sampling_loop.OTHER_T else complaint


def _from_schedule(loop):
    """A loop of lesson 04 as one of this notebook."""

    def wrong(predict_noise, alpha_bar, x_T, generator):
        return loop(
            predict_noise, NoiseSchedule.from_beta(1 - alpha_bar[1:] / alpha_bar[:-1]), x_T, generator
        )

    return wrong


DDPM = [
    Mistake(_from_schedule(loop), OTHER_T if says == sampling_loop.OTHER_T else says)
    for loop, says in LOOPS
    if says != sampling_loop.ONE_FOR_EACH
]
