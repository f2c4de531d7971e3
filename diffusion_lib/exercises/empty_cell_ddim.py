"""Notebook 08: what ddim_sample must do, told from its questions and its pictures."""

import torch
from torch import Tensor

from .ddim_mistakes import TIMES_SAY, judge_times
from .empty_cell_ddpm import OTHER_T
from .empty_cell_worked import make_alpha_bar
from .randomness import seeded
from .sampling_loop import beyond, is_beyond

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
    "next rootless": "A square root is missing at the noise where the guess is noised again: √(1 − ᾱ_next).",
    "no roots": "Where the guess is noised again, both roots are missing: √ᾱ_next and √(1 − ᾱ_next).",
    "exchanged": "Where the guess is noised again, the two factors are exchanged: √ᾱ_next is the guess's.",
    "noise exchanged": "Where the noise is worked out anew, the two factors are exchanged: it is "
    "(x − √ᾱ_t x̂_0) / √(1 − ᾱ_t).",
    "strength of t": "The guess is noised again with the strength of t, √(1 − ᾱ_t). It is that of the next "
    "time, √(1 − ᾱ_next).",
    "guess kept": "The guess itself is the next x. It is noised again first, or the network is shown a clean "
    "picture and told that it is noisy.",
    "0 to 1": "The guess is clipped to [0, 1]. Pictures lie in [−1, 1].",
    "ends at 1": "The last step goes to t = 1, where a little noise is left. It goes to 0, the clean image.",
    "twice": "The network is asked twice in a step. Once is enough: the rest of the step is arithmetic.",
    "once": "The network is asked only once: is the `return` inside the loop?",
    "too few": "The network is asked num_steps − 1 times: the last step, to 0, is missing.",
    "at 0": "The network is asked at t = 0, too. That is the clean image: no step starts there.",
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


OF_TIMES = "The times are those at which the network is asked, and 0 at the end."


def _guess(x, predicted, bar):
    return (x - (1 - bar).sqrt() * predicted) / bar.sqrt()


def _clip(clean):
    return clean.clamp(-1, 1)


def _anew(x, predicted, clean, bar):
    return (x - bar.sqrt() * clean) / (1 - bar).sqrt()


def _mixed(clean, noise, bar, bar_next):
    return bar_next.sqrt() * clean + (1 - bar_next).sqrt() * noise


def _same(x):
    return x


def along(
    times, predict_noise, alpha_bar, x_T, to=lambda t, t_next: t_next,
    guess=_guess, clip=_clip, anew=_anew, mixed=_mixed, after=_same, end=_same,
):  # fmt: skip
    """The sampler over these times, right or with one of its lines exchanged for another."""
    x = x_T.double()
    for t, t_next in zip(times[:-1], times[1:]):
        bar, bar_next = alpha_bar[t], alpha_bar[to(t, t_next)]
        predicted = predict_noise(x.float(), t).double()
        clean = clip(guess(x, predicted, bar))
        x = after(mixed(clean, anew(x, predicted, clean, bar), bar, bar_next))
    return end(x).float()


def of_eta_1(clean, noise, bar, bar_next):
    sigma_squared = (1 - bar_next) / (1 - bar) * (1 - bar / bar_next)
    return bar_next.sqrt() * clean + (1 - bar_next - sigma_squared).clamp(min=0).sqrt() * noise


WRONG = {
    "ends at 1": {"to": lambda t, t_next: max(t_next, 1)},
    "not clipped": {"clip": _same},
    "end clipped": {"clip": _same, "end": _clip},
    "old noise": {"anew": lambda x, predicted, clean, bar: predicted},
    "x clipped": {"after": _clip},
    "0 to 1": {"clip": lambda clean: clean.clamp(0, 1)},
    "rootless": {"guess": lambda x, predicted, bar: (x - (1 - bar) * predicted) / bar.sqrt()},
    "noise exchanged": {"anew": lambda x, predicted, clean, bar: _guess(x, clean, bar)},
    "next rootless": {"mixed": lambda c, n, bar, bar_next: bar_next.sqrt() * c + (1 - bar_next) * n},
    "no roots": {"mixed": lambda c, n, bar, bar_next: bar_next * c + (1 - bar_next) * n},
    "exchanged": {"mixed": lambda c, n, bar, bar_next: _mixed(n, c, bar, bar_next)},
    "strength of t": {"mixed": lambda c, n, bar, bar_next: bar_next.sqrt() * c + (1 - bar).sqrt() * n},
    "no noise back": {"mixed": lambda c, n, bar, bar_next: bar_next.sqrt() * c},
    "guess kept": {"mixed": lambda c, n, bar, bar_next: c},
    "step back": {"to": lambda t, t_next: t - 1},
    "eta": {"mixed": of_eta_1},
}


def _predict(x: Tensor, t) -> Tensor:
    return 0.9 * x + 0.4 * torch.sin(3 * x + 0.01 * float(t))


def test_ddim(answer) -> str | None:
    """The first thing wrong with a function like ddim_sample, in a sentence; None if there is nothing."""
    x_T = torch.randn(3, 3, 16, 16, generator=seeded(5))
    runs = []
    for T, n in ((500, 5), (500, 1), (30, 7), (40, 30), (20, 20)):
        try:
            runs.append(_run(answer, T, n, x_T))
        except IndexError as error:
            if not is_beyond(error, T):
                raise
            return OTHER_T.replace("30", str(T))
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
    for name, fits in (
        ("once", lambda asked, n, T: len(asked) == 1),
        ("twice", lambda asked, n, T: len(asked) == 2 * n),
        ("too few", lambda asked, n, T: len(asked) == n - 1 and asked[:1] in ([], [T])),
        ("at 0", lambda asked, n, T: asked[-1:] == [0]),
    ):
        if all(fits(asked, n, T) for _, asked, _, T, n in runs):
            return DDIM_SAYS[name]
    wrong = set()
    for _, asked, _, T, n in runs:
        wrong |= judge_times([*asked, 0], T, n)
    if wrong and not all(_is(got, "ends at 1", asked, T, x_T) for got, asked, _, T, _ in runs):
        fault = next(says for name, says in TIMES_SAY.items() if name in wrong)
        return f"{fault} ({OF_TIMES})"
    for name in (None, *WRONG):
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
            raise beyond(t, T)
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
    elif len(shown) > 2 and torch.equal(shown[1], shown[0]) and asked[1] != asked[0]:
        name = "stuck"
    elif drew:
        name = "random"
    return got, asked, name, T, n


def _is(got: Tensor, name: str | None, asked: list, T: int, x_T: Tensor) -> bool:
    wanted = along([*asked, 0], _predict, _bar(T), x_T, **WRONG.get(name, {}))
    return bool((got - wanted).abs().max() <= 2e-3 * max(1.0, wanted.abs().max().item()))


def _bar(T: int) -> Tensor:
    return make_alpha_bar(T, 0.1 / T, 20 / T if T > 20 else 0.5)
