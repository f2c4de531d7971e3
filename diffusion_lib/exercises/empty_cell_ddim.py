"""Notebook 08: what ddim_sample must do, and what people write instead."""

import torch
from torch import Tensor

from ..checks import Mistake
from .ddim_mistakes import TIMES_SAY, judge_times
from .empty_cell_ddpm import OTHER_T
from .empty_cell_worked import make_alpha_bar
from .randomness import seeded

DDIM_SAYS = {
    "start": "The loop must start from x_T: the first picture that the network sees is another.",
    "shape": "The finished images are wanted, a tensor of the shape of x_T",
    "dtype": "The images come in as float32 and do not stay so: keep the dtype of x_T.",
    "changed": "x_T is overwritten, and the caller still needs it: work on new tensors.",
    "fraction": "predict_noise takes the step t, not t / T: it divides by T itself.",
    "not clipped": "All is right but for the clipping: clamp the guess of the clean image to [−1, 1] before "
    "it is used. With little training and a weight above 1 this matters much.",
    "old noise": "The guess is clipped, but the noise is the one predicted before. The two no longer belong "
    "together: work out the noise anew from x and the clipped guess.",
    "x clipped": "x itself is clipped on the way, and x is a noisy picture. Only the guess of the clean one "
    "lies in [−1, 1].",
    "end clipped": "Only the finished picture is clipped. Clip the guess in each step.",
    "rootless": "A square root is missing in the guess of the clean image: (x − √(1 − ᾱ_t) ε̂) / √ᾱ_t.",
    "next rootless": "A square root is missing where the guess is noised again: √ᾱ_next and √(1 − ᾱ_next).",
    "no noise back": "The guess is not noised again: √(1 − ᾱ_next) times the predicted noise is added to it.",
    "step back": "The guess is noised again to ᾱ_{t−1}. The step goes to the next t of your list, many steps "
    "further.",
    "random": "It draws random numbers on the way. With η = 0 nothing is drawn.",
    "stuck": "The network is shown the same picture at each step. x must change in the loop: the guess is "
    "noised again to ᾱ_next, the t that follows, and not to ᾱ_t, where x comes from.",
    "eta": "The noise added again is that of η = 1, √(1 − ᾱ_next − σ²), without the fresh noise. With η = 0 "
    "σ is 0.",
    "value": "The times are right, and the pictures are not: a step is √ᾱ_next x̂_0 + √(1 − ᾱ_next) ε̂, with "
    "x̂_0 clipped and ε̂ worked out from it.",
}


def _along(times, predict_noise, alpha_bar, x_T, clip=True, again=True, mode=""):
    """The sampler over these times, right or with one of the mistakes that DDIM_SAYS knows."""
    x = x_T.double()
    for t, t_next in zip(times[:-1], times[1:]):
        bar, bar_next = alpha_bar[t], alpha_bar[t_next]
        bar_next = alpha_bar[t - 1] if mode == "step back" else bar_next
        predicted = predict_noise(x.float(), t).double()
        rest = (1 - bar) if mode == "rootless" else (1 - bar).sqrt()
        clean = (x - rest * predicted) / bar.sqrt()
        clean = clean.clamp(-1, 1) if clip else clean
        noise = (x - bar.sqrt() * clean) / (1 - bar).sqrt() if again else predicted
        share = bar_next.sqrt(), (1 - bar_next).sqrt()
        if mode == "next rootless":
            share = share[0], 1 - bar_next
        if mode == "eta":
            sigma_squared = (1 - bar_next) / (1 - bar) * (1 - bar / bar_next)
            share = share[0], (1 - bar_next - sigma_squared).clamp(min=0).sqrt()
        if mode == "no noise back":
            share = share[0], 0.0
        x = share[0] * clean + share[1] * noise
        x = x.clamp(-1, 1) if mode == "x clipped" else x
    return (x.clamp(-1, 1) if mode == "end clipped" else x).float()


_WRONG = {
    "not clipped": {"clip": False},
    "end clipped": {"clip": False, "mode": "end clipped"},
    "old noise": {"again": False},
    "x clipped": {"mode": "x clipped"},
    "rootless": {"mode": "rootless"},
    "next rootless": {"mode": "next rootless"},
    "no noise back": {"mode": "no noise back"},
    "step back": {"mode": "step back"},
    "eta": {"mode": "eta"},
}


def _predict(x: Tensor, t) -> Tensor:
    return 0.9 * x + 0.4 * torch.sin(3 * x + 0.01 * float(t))


def test_ddim(answer) -> str | None:
    """The first thing wrong with a function like ddim_sample, in a sentence; None if there is nothing."""
    x_T = torch.randn(3, 3, 16, 16, generator=seeded(5))
    try:
        runs = [_run(answer, T, n, x_T) for T, n in ((500, 5), (500, 1), (30, 7), (40, 30), (20, 20))]
    except IndexError as error:
        if "out of" not in str(error):
            raise
        return OTHER_T.replace("30", "20 to 500")
    for got, _, before, _, _ in runs:
        if got is None:
            return None  # the frame says it
        if not isinstance(got, Tensor) or got.shape != x_T.shape:
            kind = f"shape {tuple(got.shape)}" if isinstance(got, Tensor) else type(got).__name__
            return f"{DDIM_SAYS['shape']}, {tuple(x_T.shape)}; got {kind}."
        if before is not None:
            return DDIM_SAYS[before]
        if got.dtype != x_T.dtype:
            return DDIM_SAYS["dtype"]
    wrong = set()
    for _, asked, _, T, n in runs:
        wrong |= judge_times([*asked, 0], T, n)
    if wrong:
        fault = next(says for name, says in TIMES_SAY.items() if name in wrong)
        return f"The steps t at which the network is asked, and 0 after them: {fault}"
    for name in (None, *_WRONG):
        if all(_is(got, name, asked, T, x_T) for got, asked, _, T, _ in runs):
            return DDIM_SAYS[name] if name else None
    return DDIM_SAYS["value"]


def _run(answer, T: int, n: int, x_T: Tensor) -> tuple:
    """What came out, the t that the network was asked at, the name of what is wrong on the way; T and n."""
    asked, shown, given = [], [], x_T.clone()

    def predict_noise(x: Tensor, t) -> Tensor:
        if isinstance(t, Tensor) and t.ndim:
            t = t.flatten()[0]  # a step for each image
        if t > T:
            raise IndexError("out of bounds")
        asked.append(int(t) if float(t) == int(t) else float(t))
        shown.append(x.clone())
        return _predict(x, t)

    got = answer(predict_noise, _bar(T), given, n)
    drew = not torch.equal(torch.get_rng_state(), seeded(0).get_state())  # the frame has seeded it
    name = None
    if asked and max(asked) <= 1 < len(asked):
        name = "fraction"
    elif not torch.equal(given, x_T):
        name = "changed"
    elif shown and not torch.equal(shown[0].to(x_T), x_T):
        name = "start"
    elif len(shown) > 2 and torch.equal(shown[1], shown[0]):
        name = "stuck"
    elif drew:
        name = "random"
    return got, asked, name, T, n


def _is(got: Tensor, name: str | None, asked: list, T: int, x_T: Tensor) -> bool:
    wanted = _along([*asked, 0], _predict, _bar(T), x_T, **_WRONG.get(name, {}))
    return bool((got - wanted).abs().max() <= 2e-3 * max(1.0, wanted.abs().max().item()))


def _bar(T: int) -> Tensor:
    return make_alpha_bar(T, 0.1 / T, 20 / T if T > 20 else 0.5)


def _times(T, n):
    return [round(T * (n - i) / n) for i in range(n + 1)]


def _ddim(times=_times, asked=lambda t, T: t, start=lambda x_T: x_T, **how):
    """ddim_sample over other times, with other questions, or one of the mistakes in a step."""

    def wrong(predict_noise, alpha_bar, x_T, num_steps):
        T = len(alpha_bar) - 1
        return _along(
            times(T, num_steps), lambda x, t: predict_noise(x, asked(t, T)), alpha_bar, start(x_T), **how
        )

    return wrong


def _stride(T, n):
    return [*range(T, 0, -(T // n)), 0]


def _overwritten(predict_noise, alpha_bar, x_T, num_steps):
    return x_T.copy_(_ddim()(predict_noise, alpha_bar, x_T, num_steps))


def _eta_of_one(predict_noise, alpha_bar, x_T, num_steps):
    x = _ddim(mode="eta")(predict_noise, alpha_bar, x_T, num_steps)
    return x + 0.1 * torch.randn(x.shape)


def _stuck(predict_noise, alpha_bar, x_T, num_steps):
    return _ddim()(lambda x, t: predict_noise(x_T, t), alpha_bar, x_T, num_steps)


def _doubled(predict_noise, alpha_bar, x_T, num_steps):
    return _ddim()(predict_noise, alpha_bar, x_T, num_steps).double()


DDIM = [
    *(Mistake(_ddim(**how), DDIM_SAYS[name]) for name, how in _WRONG.items()),
    Mistake(_ddim(times=_stride), TIMES_SAY["count"]),
    Mistake(_ddim(times=lambda T, n: _times(T, n)[1:]), TIMES_SAY["first"]),
    Mistake(_ddim(times=lambda T, n: _times(T - 1, n)), TIMES_SAY["index"]),
    Mistake(_ddim(times=lambda T, n: [T - i * (T // n) for i in range(n)] + [0]), TIMES_SAY["even"]),
    Mistake(_ddim(times=lambda T, n: list(range(T, -1, -1))), "The steps t at which the network is asked"),
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
