"""What the checks of my_sampler and of mended_loop ask of an answer, lesson 04."""

import torch
from torch import Tensor

from ..schedule import NoiseSchedule
from .randomness import seeded

PUSHES = "The noise of a step has a mean above 0, so each step pushes all pixels up"
TOO_WEAK = "the noise has the deviation β_t where √β_t belongs"
TOO_WEAK_TILDE = "The noise has the deviation β̃_t, which is the posterior's variance: take its root."
ALL_OF_IT = "The noise has the deviation √(1 − ᾱ_t), that of all the noise in x_t. A step adds √β_t."
AT_THE_END = "There is still noise in the last step"
NONE = "No step adds noise"
BOUNDED = "The noise is uniform"
WRONG_END = "The noise is missing in the first step, at t = T, and is there in the last"
REPEATED = "Each step adds the same noise again"
DIVIDED = "The noise is divided by √α_t, too"
ELSEWHERE = "The noise does not come from `generator`"
OTHER_STEPS = "The network must be asked once at each t from"
OTHER_T = "A t beyond the schedule: its last step is schedule.num_steps, here 30, whatever T is elsewhere."
OTHER_START = "The loop must start from x_T"
FRACTION = "predict_noise takes the step t, not t / T"
AT_ONCE = "The network is asked only once, at t = 30"
ONE_FOR_ALL = "All points get the same noise"
ONE_FOR_EACH = "Both coordinates of a point get the same noise"
ALWAYS_SHOWN = "The network is shown x_T at each step, and not what the step before gave"
ALWAYS_FROM = "Each step begins from x_T again, and not from what the step before gave"
BENT = (
    "Something cuts or bends the values on the way; a step is a sum of multiples, and points have no bounds."
)
ROOTLESS = "The bracket is divided by α_t; its root is missing: √α_t."
UNDIVIDED = "The division by √α_t is missing, or x_t stands outside of its bracket."
WITH_BAR = "It divides by √ᾱ_t, which goes all the way to the clean image. One step divides by √α_t."
MULTIPLIED = "The bracket is multiplied by √α_t. Noising did that; the way back divides."
SCALED = "The factor of x_t is another"
SHARE_ROOTLESS = (
    "The share of the predicted noise lacks a root: β_t is divided by √(1 − ᾱ_t), not by 1 − ᾱ_t."
)
OUTSIDE = "The predicted noise is not divided by √α_t. Put brackets around the difference, and divide that."
WHOLE = "All of the predicted noise is taken away in one step: its share is β_t / √(1 − ᾱ_t)."
ADDED = "The predicted noise is added. A reverse step takes it away."
SHARE_OF_ROOT = "The share of the predicted noise has √β_t above the line. It is β_t there, without a root."
SHARE_BETA = "The predicted noise is multiplied by β_t alone; divide it by √(1 − ᾱ_t), too."
SHARE_ALPHA = "In the share of the predicted noise α_t stands where ᾱ_t belongs: β_t / √(1 − ᾱ_t)."
DDIM = "That is DDIM's step (lesson 06): it takes the noise that was predicted, and adds none of its own."
SHARE_LATE = "In the share of the predicted noise ᾱ_{t-1} stands where ᾱ_t belongs."
SHARE = "The share of the predicted noise is another"


def mended_loop(predict_noise, schedule, x_T, generator):
    x = x_T
    for t in range(schedule.num_steps, 0, -1):
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype) if t > 1 else 0
        beta, alpha = schedule.beta[t], schedule.alpha[t]
        share = beta / (1 - schedule.alpha_bar[t]).sqrt()
        x = (x - share * predict_noise(x, t)) / alpha.sqrt() + beta.sqrt() * z
    return x


def test(loop) -> str | None:
    """Runs the loop on known predictions. What it does to x_t and to the predicted noise is told from two
    runs that differ in these alone; where both are right, the rest of a step is its noise."""
    schedule = NoiseSchedule.linear(30, 0.005, 0.5)
    x_T = torch.randn(1500, 2, generator=seeded(7), dtype=torch.float64)  # another seed than the frame's
    before = x_T.clone()
    try:
        times, path = _run(loop, schedule, x_T)
    except IndexError as error:
        if not is_beyond(error, schedule.num_steps):
            raise
        return OTHER_T
    x_0 = path[-1]
    if not isinstance(x_0, Tensor) or x_0.shape != x_T.shape:
        return f"The finished points are wanted, a tensor of shape {tuple(x_T.shape)}, got {_kind(x_0)}."
    if times and max(times) <= 1 < len(times):
        return f"{FRACTION}: it divides by T itself. Here it is asked at t = {times[0]:g} and {times[1]:.3f}."
    if times == [30]:
        return f"{AT_ONCE}: ask it in the loop, at each t. Or is the `return` inside the loop?"
    if times != list(range(30, 0, -1)):
        return f"{OTHER_STEPS} T = 30 down to 1. It was asked {len(times)} times, {_ends(times)}."
    if not torch.equal(x_T, before):
        return "x_T is overwritten, and the caller still needs it: work on new tensors."
    if path[0].dtype != x_T.dtype or x_0.dtype != x_T.dtype:
        return f"The points come in as {x_T.dtype}, and do not stay so: keep the dtype of x_T."
    if not torch.equal(path[0], x_T):
        return f"{OTHER_START}: the first picture that the network sees is another."
    if torch.equal(path[-2], x_T):
        return f"{ALWAYS_SHOWN}: x must change in the loop."
    if not torch.equal(x_0, _run(loop, schedule, x_T)[1][-1]):
        return f"{ELSEWHERE}: two runs with generators of one seed gave different results."
    moved = [far - near for far, near in zip(_run(loop, schedule, x_T + 1)[1], path)]
    told = [far - near for far, near in zip(_run(loop, schedule, x_T, says=1.0)[1], path)]
    complaint = _wrong_mean(schedule, moved, told) or _wrong_noise(schedule, path)
    if complaint:
        return complaint
    if torch.equal(x_0, _run(loop, schedule, x_T, seed=2)[1][-1]):
        return f"{ELSEWHERE}: two generators with different seeds gave the same result."
    return None


def _run(loop, schedule: NoiseSchedule, x_T: Tensor, says=0.0, seed=1) -> tuple[list, list]:
    """The steps at which the network was asked, and x_T .. x_0 on the way. It always answers the same."""
    times, path = [], []

    def predict_noise(x: Tensor, t) -> Tensor:
        if isinstance(t, Tensor) and t.shape == (len(x),) and (t == t[0]).all():
            t = t[0]  # a step for each point
        times.append(int(t) if float(t) == int(t) else float(t))
        if times[-1] > schedule.num_steps:
            raise beyond(t, schedule.num_steps)
        path.append(x.clone())
        return torch.full_like(x, says)

    x_0 = loop(predict_noise, schedule, x_T, seeded(seed))
    return times, [*path, x_0]


def _wrong_mean(schedule: NoiseSchedule, moved: list[Tensor], told: list[Tensor]) -> str | None:
    """moved and told: by how much x_T .. x_0 differ where x_T, or each prediction, was larger by 1."""
    T, root = schedule.num_steps, schedule.alpha.sqrt()
    if all(_near(moved[T - t + 1].mean().item(), 1 / root[t], 1e-4) for t in range(1, T + 1)):
        return f"{ALWAYS_FROM}: x must change in the loop."
    for t in (T // 2, *range(T, 0, -1)):  # near T some mistakes look alike
        i, alpha = T - t, schedule.alpha[t]
        factor = (moved[i + 1] / moved[i]).flatten()
        if not (factor - factor.mean()).abs().max() <= 1e-6 * factor.mean().abs():  # also where it is NaN
            return f"{BENT} At t = {t} the same change of x_t moves some points more than others."
        if not _near(factor.mean().item(), 1 / alpha.sqrt(), 1e-4):
            for wanted, says in (
                (1 / alpha, ROOTLESS), (1.0, UNDIVIDED), (alpha.sqrt(), MULTIPLIED),
                (1 / schedule.alpha_bar[t].sqrt(), WITH_BAR),
            ):  # fmt: skip
                if _near(factor.mean().item(), wanted, 1e-4):
                    return says
            return (
                f"{SCALED}: at t = {t} it is multiplied by {factor.mean():.3f}, and 1 / √α_t is "
                f"{1 / alpha.sqrt():.3f}."
            )
        share = (told[i] - told[i + 1] * alpha.sqrt()).mean().item()
        beta, rest = schedule.beta[t], 1 - schedule.alpha_bar[t]
        if not _near(share, beta / rest.sqrt(), 1e-4):
            before = 1 - schedule.alpha_bar[t - 1]
            for wanted, says in (
                (beta / rest, SHARE_ROOTLESS), (alpha.sqrt() * beta / rest.sqrt(), OUTSIDE), (1.0, WHOLE),
                (-beta / rest.sqrt(), ADDED), (beta.sqrt() / rest.sqrt(), SHARE_OF_ROOT), (beta, SHARE_BETA),
                (beta / before.sqrt(), SHARE_LATE), (beta.sqrt(), SHARE_ALPHA),
                (rest.sqrt() - (alpha * before).sqrt(), DDIM),
            ):  # fmt: skip
                if _near(share, wanted, 1e-4):
                    return says
            return (
                f"{SHARE}: at t = {t} so much of it is taken away: {share:.5g}. β_t / √(1 − ᾱ_t) is "
                f"{beta / rest.sqrt():.5g}."
            )
    return None


def _wrong_noise(schedule: NoiseSchedule, x: list[Tensor]) -> str | None:
    """x_T .. x_0. The noise of the step from t is x_{t-1} - x_t / sqrt(alpha_t)."""
    T = schedule.num_steps
    root = schedule.beta.sqrt()
    noise = {t: x[T - t + 1] - x[T - t] / schedule.alpha[t].sqrt() for t in range(T, 0, -1)}
    size = {t: noise[t].std().item() for t in noise}
    little = {t: 0.01 * root[t].item() for t in noise}  # rounding is less
    same = max((noise[t] - noise[t][:1]).abs().max() for t in noise)
    if same < little[2] < noise[2].abs().max():
        return f"{ONE_FOR_ALL}: z must have the shape of x, or a batch is one sample, moved about."
    if all(size[t] < little[t] for t in range(2, T)):
        return f"{NONE}: only the one at t = 1 must go. Without the others the points shrink to an average."
    if size[T] < little[T] and size[1] > little[1]:
        return f"{WRONG_END}: t counts down, the last step is t = 1."
    if all(torch.corrcoef(noise[t].T)[0, 1] > 0.9 for t in (2, T // 2)):
        return f"{ONE_FOR_EACH}: z must have the shape of x, a number of its own for each."
    if noise[2].mean().item() > 0.5 * size[2]:
        return f"{PUSHES}: torch.rand is uniform from 0 to 1, a Gaussian of mean 0 is wanted."
    if max((noise[t].abs().max() / size[t]).item() for t in range(2, T)) < 1.8:
        return f"{BOUNDED}: none of it is far from 0. A reverse step is Gaussian, torch.randn."
    if torch.corrcoef(torch.stack((noise[2].flatten(), noise[3].flatten())))[0, 1] > 0.5:
        return f"{REPEATED}: draw it anew inside the loop, else it adds up along one direction."
    middle = T // 2
    if all(_near(size[t], schedule.beta[t]) for t in (2, middle, T)):
        return (
            f"Nearly: {TOO_WEAK}. At t = {middle} it is {size[middle]:.3f} instead of {root[middle]:.3f}; "
            "β is a variance, its root is the deviation."
        )
    posterior = root * ((1 - schedule.alpha_bar.roll(1)) / (1 - schedule.alpha_bar)).sqrt()
    for wanted, says in ((posterior.square(), TOO_WEAK_TILDE), ((1 - schedule.alpha_bar).sqrt(), ALL_OF_IT)):
        if all(_near(size[t], wanted[t]) for t in (2, middle, T)):
            return says
    if all(_near(size[t], root[t] / schedule.alpha[t].sqrt()) for t in (2, middle, T)):
        return f"{DIVIDED}: it is added after the division, outside the bracket."
    for wanted in (root, posterior):
        if all(_near(size[t], wanted[t]) for t in range(2, T + 1)):
            break
    else:
        worst = max(range(2, T + 1), key=lambda t: abs(size[t] / root[t].item() - 1))
        return f"At t = {worst} the noise is {size[worst]:.3f} strong, but σ_t is {root[worst]:.3f}."
    if size[1] > little[1]:
        return f"{AT_THE_END}: it stays in the picture, {size[1]:.3f} strong. t ends at 1, not at 0."
    return None


def _near(size: float, wanted, tolerance=0.06) -> bool:
    return abs(size / float(wanted) - 1) < tolerance  # 3,000 draws: 0.06 is more than four deviations


def beyond(t, T: int) -> IndexError:
    """What torch raises for an array of T + 1 entries, 0 .. T, that is asked for t."""
    return IndexError(f"index {t} is out of bounds for dimension 0 with size {T + 1}")


def is_beyond(error: IndexError, T: int) -> bool:
    """Whether such an array was asked, and not one of the learner's own that is shorter, or a list."""
    return str(error).endswith(f"with size {T + 1}")


def _kind(value) -> str:
    return f"one of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _ends(times: list[int]) -> str:
    return f"at t = {times[0]} to {times[-1]}" if times else "at none"
