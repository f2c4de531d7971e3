"""What the check of mended_loop asks of an answer, and the wrong ones that people give."""

import torch
from torch import Tensor

from ..schedule import NoiseSchedule

PUSHES = "The noise of a step has a mean above 0, so each step pushes all pixels up"
TOO_WEAK = "the noise has the deviation β_t where √β_t belongs"
AT_THE_END = "There is still noise in the last step"
NONE = "No step adds noise now"
BOUNDED = "It is still uniform, only moved to mean 0"
WRONG_END = "The noise is missing in the first step, at t = T, and is there in the last"
REPEATED = "Each step adds the same noise again"
DIVIDED = "The noise is divided by √α_t, too"
ELSEWHERE = "The noise does not come from `generator`"
OTHER_STEPS = "The network must be asked once at each t from"
OTHER_START = "The loop must start from x_T"


def mended_loop(predict_noise, schedule, x_T, generator):
    x = x_T
    for t in range(schedule.num_steps, 0, -1):
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype) if t > 1 else 0
        beta, alpha = schedule.beta[t], schedule.alpha[t]
        share = beta / (1 - schedule.alpha_bar[t]).sqrt()
        x = (x - share * predict_noise(x, t)) / alpha.sqrt() + beta.sqrt() * z
    return x


def test(loop) -> str | None:
    """Runs the loop with a network that always says 0: what a step changes is then its noise alone."""
    schedule = NoiseSchedule.linear(30, 0.005, 0.5)
    x_T = torch.randn(1500, 2, generator=_seeded(0), dtype=torch.float64)
    seen: list[tuple[int, Tensor]] = []

    def says_zero(x: Tensor, t) -> Tensor:
        seen.append((int(t), x.clone()))
        return torch.zeros_like(x)

    before = x_T.clone()
    x_0 = loop(says_zero, schedule, x_T, _seeded(1))
    if not isinstance(x_0, Tensor) or x_0.shape != x_T.shape:
        return f"The finished points are wanted, a tensor of shape {tuple(x_T.shape)}, got {_kind(x_0)}."
    times = [t for t, _ in seen]
    if times != list(range(30, 0, -1)):
        return f"{OTHER_STEPS} T = 30 down to 1. It was asked {len(times)} times, {_ends(times)}."
    if not torch.equal(x_T, before):
        return "x_T is overwritten, and the caller still needs it: work on new tensors."
    if not torch.equal(seen[0][1], x_T):
        return f"{OTHER_START}: the first picture that the network sees is another."
    complaint = _wrong_noise(schedule, [x for _, x in seen] + [x_0])
    if complaint:
        return complaint
    if torch.equal(x_0, loop(says_zero, schedule, x_T, _seeded(2))):
        return f"{ELSEWHERE}: two generators with different seeds gave the same result."
    # With the same noise, a prediction that is 1 everywhere must move the end by so much, and not otherwise.
    moves = torch.zeros((), dtype=torch.float64)
    for t in range(30, 0, -1):
        share = schedule.beta[t] / (1 - schedule.alpha_bar[t]).sqrt()
        moves = (moves - share) / schedule.alpha[t].sqrt()
    moved = loop(lambda x, t: torch.ones_like(x), schedule, x_T, _seeded(1)) - x_0
    if not torch.allclose(moved, moves.expand_as(moved), rtol=1e-4):
        got = moved.mean().item()
        return f"The mean of the step has changed: noise of 1 moves x_0 by {got:.2f}, not by {moves:.2f}."
    return None


def _wrong_noise(schedule: NoiseSchedule, x: list[Tensor]) -> str | None:
    """x_T .. x_0. The noise of the step from t is x_{t-1} - x_t / sqrt(alpha_t)."""
    T = schedule.num_steps
    root = schedule.beta.sqrt()
    noise = {t: x[T - t + 1] - x[T - t] / schedule.alpha[t].sqrt() for t in range(T, 0, -1)}
    size = {t: noise[t].std().item() for t in noise}
    if max(size[t] for t in range(2, T)) < 1e-9:
        return f"{NONE}: only the one at t = 1 must go. Without the others the points shrink to an average."
    if size[T] < 1e-9 < size[1]:
        return f"{WRONG_END}: t counts down, the last step is t = 1."
    if noise[2].mean().item() > 0.5 * size[2]:
        return f"{PUSHES}: torch.rand is uniform from 0 to 1, a Gaussian of mean 0 is wanted."
    if max((noise[t].abs().max() / size[t]).item() for t in range(2, T)) < 1.8:
        return (
            f"{BOUNDED}: a reverse step is Gaussian, and a uniform draw has a twelfth of the variance, too."
        )
    if torch.corrcoef(torch.stack((noise[2].flatten(), noise[3].flatten())))[0, 1] > 0.5:
        return f"{REPEATED}: draw it anew inside the loop, else it adds up along one direction."
    middle = T // 2
    if all(_near(size[t], schedule.beta[t]) for t in (2, middle, T)):
        return (
            f"Nearly: {TOO_WEAK}. At t = {middle} it is {size[middle]:.3f} instead of {root[middle]:.3f}; "
            "β is a variance, its root is the deviation."
        )
    if all(_near(size[t], root[t] / schedule.alpha[t].sqrt()) for t in (2, middle, T)):
        return f"{DIVIDED}: it is added after the division, outside the bracket."
    posterior = root * ((1 - schedule.alpha_bar.roll(1)) / (1 - schedule.alpha_bar)).sqrt()
    for wanted in (root, posterior):
        if all(_near(size[t], wanted[t]) for t in range(2, T + 1)):
            break
    else:
        worst = max(range(2, T + 1), key=lambda t: abs(size[t] / root[t].item() - 1))
        return f"At t = {worst} the noise is {size[worst]:.3f} strong, but σ_t is {root[worst]:.3f}."
    if size[1] > 1e-9:
        return f"{AT_THE_END}: it stays in the picture, {size[1]:.3f} strong. t ends at 1, not at 0."
    return None


def _near(size: float, wanted: Tensor) -> bool:
    return abs(size / wanted.item() - 1) < 0.06  # 3,000 draws: 0.06 is more than four deviations


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _kind(value) -> str:
    return f"one of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _ends(times: list[int]) -> str:
    return f"at t = {times[0]} to {times[-1]}" if times else "at none"


def _loop(draw=torch.randn, deviation=torch.sqrt, noisy=lambda t, T: t > 1, steps=None, inside=False):
    """The loop with another distribution, size or time of its noise."""

    def wrong(predict_noise, schedule, x_T, generator):
        x, T = x_T, schedule.num_steps
        for t in steps(T) if steps else range(T, 0, -1):
            beta, alpha = schedule.beta[t], schedule.alpha[t]
            share = beta / (1 - schedule.alpha_bar[t]).sqrt()
            z = draw(x.shape, generator=generator, dtype=x.dtype) if noisy(t, T) else torch.zeros_like(x)
            z = deviation(beta) * z / (alpha.sqrt() if inside else 1)
            x = (x - share * predict_noise(x, t)) / alpha.sqrt() + z
        return x

    return wrong


def _drawn_once(predict_noise, schedule, x_T, generator):
    z = torch.randn(x_T.shape, generator=generator, dtype=x_T.dtype)
    return _loop(draw=lambda *args, **kwargs: z)(predict_noise, schedule, x_T, generator)


def _own_start(predict_noise, schedule, x_T, generator):
    x_T = torch.randn(x_T.shape, generator=generator, dtype=x_T.dtype)
    return mended_loop(predict_noise, schedule, x_T, generator)


def _always(t, T):
    return True


MISTAKES = (
    (_loop(torch.rand, lambda beta: beta, _always), PUSHES),
    (_loop(deviation=lambda beta: beta, noisy=_always), TOO_WEAK),
    (_loop(noisy=_always), AT_THE_END),
    (_loop(noisy=lambda t, T: False), NONE),
    (_loop(noisy=lambda t, T: t < T), WRONG_END),
    (_loop(draw=lambda *args, **kwargs: torch.rand(*args, **kwargs) - 0.5), BOUNDED),
    (_drawn_once, REPEATED),
    (_loop(inside=True), DIVIDED),
    (_loop(draw=lambda *args, generator, **kwargs: torch.randn(*args, **kwargs)), ELSEWHERE),
    (_loop(steps=lambda T: range(T, 1, -1)), OTHER_STEPS),
    (_own_start, OTHER_START),
)
