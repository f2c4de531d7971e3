"""The loops that people write in lesson 04, and what the checks of my_sampler and mended_loop say to them."""

import numpy as np
import torch

from ..samplers import last, sample_ddim
from ..schedule import predict_clean
from . import sampling_loop as says
from .sampling_loop import mended_loop


def _by_bracket(x, share, predicted, alpha):
    return (x - share * predicted) / alpha.sqrt()


def _loop(
    draw=torch.randn, deviation=lambda s, t: s.beta[t].sqrt(), noisy=lambda t, T: t > 1, steps=None,
    inside=False, mean=_by_bracket, share_of=lambda beta, rest: beta / rest.sqrt(), asked=lambda t, T: t,
):  # fmt: skip
    """The loop with another distribution, size or time of its noise, another mean, or other questions."""

    def wrong(predict_noise, schedule, x_T, generator):
        x, T = x_T, schedule.num_steps
        for t in steps(T) if steps else range(T, 0, -1):
            beta, alpha = schedule.beta[t], schedule.alpha[t]
            share = share_of(beta, 1 - schedule.alpha_bar[t])
            z = draw(x.shape, generator=generator, dtype=x.dtype) if noisy(t, T) else torch.zeros_like(x)
            z = deviation(schedule, t) * z / (alpha.sqrt() if inside else 1)
            x = mean(x, share, predict_noise(x, asked(t, T)), alpha) + z
        return x

    return wrong


def copied_loop(predict_noise, schedule, x_T, generator):
    x, z = x_T, torch.randn(x_T.shape, generator=generator, dtype=x_T.dtype)
    for t in range(schedule.num_steps, 0, -1):
        beta, alpha = schedule.beta[t], schedule.alpha[t]
        share = beta / (1 - schedule.alpha_bar[t])
        noise = beta.sqrt() * z if t > 1 else 0
        x = (x - share * predict_noise(x, t) + noise) / alpha.sqrt()
    return x


def _of_numpy(shape, generator, dtype):
    return torch.from_numpy(np.random.standard_normal(tuple(shape)))


def _one_for_each(shape, generator, dtype):
    return torch.randn(shape[0], 1, generator=generator, dtype=dtype)


def _like_x_T(predict_noise, schedule, x_T, generator):
    return mended_loop(predict_noise, schedule, torch.randn_like(x_T), generator)


def _always_shown(predict_noise, schedule, x_T, generator):
    return mended_loop(lambda x, t: predict_noise(x_T, t), schedule, x_T, generator)


def _always_from(predict_noise, schedule, x_T, generator):
    return _loop(mean=lambda x, *others: _by_bracket(x_T, *others))(predict_noise, schedule, x_T, generator)


def _with_bar(predict_noise, schedule, x_T, generator):
    x = x_T
    for t in range(schedule.num_steps, 0, -1):
        x = predict_clean(schedule, x, t, predict_noise(x, t))
        x = x + schedule.beta[t].sqrt() * torch.randn(x.shape, generator=generator, dtype=x.dtype) * (t > 1)
    return x


def _posterior_variance(schedule, t):
    return (1 - schedule.alpha_bar[t - 1]) / (1 - schedule.alpha_bar[t]) * schedule.beta[t]


def _cut(predict_noise, schedule, x_T, generator):
    return mended_loop(predict_noise, schedule, x_T, generator).clamp(-1, 1)


def _drawn_once(predict_noise, schedule, x_T, generator):
    z = torch.randn(x_T.shape, generator=generator, dtype=x_T.dtype)
    return _loop(draw=lambda *args, **kwargs: z)(predict_noise, schedule, x_T, generator)


def _own_start(predict_noise, schedule, x_T, generator):
    x_T = torch.randn(x_T.shape, generator=generator, dtype=x_T.dtype)
    return mended_loop(predict_noise, schedule, x_T, generator)


def _always(t, T):
    return True


MISTAKES = (
    (_loop(torch.rand, lambda s, t: s.beta[t], _always), says.PUSHES),
    (_loop(deviation=lambda s, t: s.beta[t], noisy=_always), says.TOO_WEAK),
    (_loop(noisy=_always), says.AT_THE_END),
    (_loop(noisy=lambda t, T: False), says.NONE),
    (_loop(noisy=lambda t, T: t < T), says.WRONG_END),
    (_loop(draw=lambda *args, **kwargs: torch.rand(*args, **kwargs) - 0.5), says.BOUNDED),
    (_drawn_once, says.REPEATED),
    (_loop(inside=True), says.DIVIDED),
    (
        _loop(draw=lambda *args, generator, **kwargs: torch.randn(*args, **kwargs)),
        f"{says.ELSEWHERE}: two gen",
    ),
    (_loop(steps=lambda T: range(T, 1, -1)), says.OTHER_STEPS),
    (_own_start, says.OTHER_START),
    (_loop(share_of=lambda beta, rest: beta / rest), says.SHARE_ROOTLESS),
    (_loop(share_of=lambda beta, rest: beta), says.SHARE_BETA),
    (_loop(share_of=lambda beta, rest: torch.ones_like(beta)), says.WHOLE),
    (_loop(share_of=lambda beta, rest: beta.sqrt() / rest.sqrt()), says.SHARE_OF_ROOT),
    (_loop(mean=lambda x, share, predicted, alpha: (x - share * predicted) / alpha), says.ROOTLESS),
    (_loop(mean=lambda x, share, predicted, alpha: x - share * predicted / alpha.sqrt()), says.UNDIVIDED),
    (_loop(mean=lambda x, share, predicted, alpha: x / alpha.sqrt() - share * predicted), says.OUTSIDE),
    (_loop(mean=lambda x, share, predicted, alpha: (x - share * predicted) * alpha.sqrt()), says.MULTIPLIED),
    (_loop(mean=lambda x, share, predicted, alpha: (x + share * predicted) / alpha.sqrt()), says.ADDED),
    (_loop(asked=lambda t, T: t / T), says.FRACTION),
    (_loop(steps=lambda T: [T]), says.AT_ONCE),
    (
        _loop(draw=lambda shape, generator, dtype: torch.randn(1, generator=generator, dtype=dtype)),
        says.ONE_FOR_ALL,
    ),
    (_loop(draw=_of_numpy), f"{says.ELSEWHERE}: two runs"),
    (_cut, says.BENT),
    (_loop(steps=lambda T: range(500, 0, -1)), says.OTHER_T),
    (_with_bar, says.WITH_BAR),
    (_loop(deviation=_posterior_variance), says.TOO_WEAK_TILDE),
    (_loop(deviation=lambda s, t: (1 - s.alpha_bar[t]).sqrt()), says.ALL_OF_IT),
    (lambda *asked: mended_loop(*asked[:2], asked[2].float(), asked[3]), "keep the dtype of x_T"),
    (_loop(mean=lambda *parts: _by_bracket(*parts).clamp(-1, 1)), f"{says.BENT} At t = 15"),
    (_like_x_T, f"{says.OTHER_START}: the first"),
    (_loop(draw=_one_for_each), says.ONE_FOR_EACH),
    (_always_shown, says.ALWAYS_SHOWN),
    (_always_from, says.ALWAYS_FROM),
    (lambda *asked: last(sample_ddim(*asked[:3], num_steps=asked[1].num_steps)), says.DDIM),
)
