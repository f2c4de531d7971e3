"""Notebook 08: the DDIM samplers that people write, and what the check says to them."""

import torch

from ..checks import Mistake
from .ddim_mistakes import TIMES_SAY
from .empty_cell_ddim import DDIM_SAYS, OF_TIMES, WRONG, along, of_eta_1


def _times(T, n):
    return [round(T * (n - i) / n) for i in range(n + 1)]


def _ddim(times=_times, asked=lambda t, T: t, start=lambda x_T: x_T, **how):
    """ddim_sample over other times, with other questions, or one of the mistakes in a step."""

    def wrong(predict_noise, alpha_bar, x_T, num_steps):
        T = len(alpha_bar) - 1
        return along(
            times(T, num_steps), lambda x, t: predict_noise(x, asked(t, T)), alpha_bar, start(x_T), **how
        )

    return wrong


def _stride(T, n):
    return [*range(T, 0, -(T // n)), 0]


def _overwritten(predict_noise, alpha_bar, x_T, num_steps):
    return x_T.copy_(_ddim()(predict_noise, alpha_bar, x_T, num_steps))


def _eta_of_one(predict_noise, alpha_bar, x_T, num_steps):
    x = _ddim(mixed=of_eta_1)(predict_noise, alpha_bar, x_T, num_steps)
    return x + 0.1 * torch.randn(x.shape)


def _asked_twice(predict_noise, alpha_bar, x_T, num_steps):
    return _ddim()(lambda x, t: predict_noise(predict_noise(x, t), t), alpha_bar, x_T, num_steps)


def _one_step(predict_noise, alpha_bar, x_T, num_steps):
    T = len(alpha_bar) - 1
    return along(_times(T, num_steps)[:2], predict_noise, alpha_bar, x_T)


def _stuck(predict_noise, alpha_bar, x_T, num_steps):
    return _ddim()(lambda x, t: predict_noise(x_T, t), alpha_bar, x_T, num_steps)


def _doubled(predict_noise, alpha_bar, x_T, num_steps):
    return _ddim()(predict_noise, alpha_bar, x_T, num_steps).double()


DDIM = [
    *(Mistake(_ddim(**how), DDIM_SAYS[name]) for name, how in WRONG.items()),
    Mistake(_asked_twice, DDIM_SAYS["twice"]),
    Mistake(_one_step, DDIM_SAYS["once"]),
    Mistake(_ddim(times=lambda T, n: _times(T, n)[:-1]), DDIM_SAYS["too few"]),
    Mistake(_ddim(times=lambda T, n: [*_times(T, n), 0]), DDIM_SAYS["at 0"]),
    Mistake(_ddim(times=_stride), TIMES_SAY["count"]),
    Mistake(_ddim(times=lambda T, n: _times(T, n)[1:]), TIMES_SAY["first"]),
    Mistake(_ddim(times=lambda T, n: _times(T - 1, n)), TIMES_SAY["index"]),
    Mistake(_ddim(times=lambda T, n: [T - i * (T // n) for i in range(n)] + [0]), TIMES_SAY["even"]),
    Mistake(_ddim(times=lambda T, n: list(range(T, -1, -1))), OF_TIMES),
    Mistake(
        _ddim(times=lambda T, n: [round(500 * (n - i) / n) for i in range(n + 1)]), "whatever T is elsewhere"
    ),
    Mistake(_ddim(asked=lambda t, T: t / T), DDIM_SAYS["fraction"]),
    Mistake(_ddim(start=lambda x_T: torch.randn(x_T.shape)), DDIM_SAYS["start"]),
    Mistake(_eta_of_one, DDIM_SAYS["random"]),
    Mistake(_stuck, DDIM_SAYS["stuck"]),
    Mistake(_overwritten, DDIM_SAYS["changed"]),
    Mistake(_doubled, DDIM_SAYS["dtype"]),
    Mistake(lambda *asked: list(_ddim()(*asked)), DDIM_SAYS["shape"]),
    Mistake(lambda *asked: _ddim()(*asked) * 0.9, DDIM_SAYS["value"]),
]
