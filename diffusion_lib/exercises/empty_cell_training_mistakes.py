"""Notebook 08, training: the losses that people write, and what the check says to them."""

import torch

from ..checks import Mistake
from .context_dropout import DROP_SAYS
from .empty_cell_noising import in_float64, x_t
from .empty_cell_training import LOSS_SAYS as SAYS
from .empty_cell_worked import noised, training_loss


def _steps(T, n, generator):
    return torch.randint(1, T + 1, (n,), generator=generator)


def _keep(c, generator):
    return c * (torch.rand(len(c), 1, generator=generator) >= 0.1)


def _loss(
    steps=_steps, told=lambda t, T: t / T, draw=torch.randn, drop=_keep, noisy=noised,
    of=lambda gap: gap.square().mean(), target="noise",
):  # fmt: skip
    """training_loss with another t, time, noise, dropout, noisy image, measure or target."""

    def wrong(network, alpha_bar, x_0, c, generator):
        T = len(alpha_bar) - 1
        t, noise = steps(T, len(x_0), generator), draw(x_0.shape, generator=generator)
        x_t = noisy(alpha_bar, x_0, t, noise)
        predicted = network(x_t, told(t, T), drop(c, generator))
        return of(predicted - {"noise": noise, "x_0": x_0, "x_t": x_t}[target])

    return wrong


def _drop(of):
    return lambda c, generator: of(c, torch.rand(len(c), 1, generator=generator) < 0.1)


def _in_place(c, generator):
    c[torch.rand(len(c), generator=generator) < 0.1] = 0
    return c


def _twice(network, alpha_bar, x_0, c, generator):
    none = training_loss(network, alpha_bar, x_0, torch.zeros_like(c), generator)
    return 0.9 * training_loss(network, alpha_bar, x_0, c, generator) + 0.1 * none


def _no_grad(*arguments):
    with torch.no_grad():
        return training_loss(*arguments)


def _other_noise(alpha_bar, x_0, t, noise):
    return noised(alpha_bar, x_0, t, torch.randn(x_0.shape, generator=torch.Generator().manual_seed(9)))


def _one_for_all(shape, generator):
    return torch.randn(1, *shape[1:], generator=generator).expand(shape)


def _one_for_each(shape, generator):
    return torch.randn(shape[0], 1, 1, 1, generator=generator).expand(shape)


LOSSES = [
    Mistake(_loss(lambda T, n, g: torch.randint(0, T + 1, (n,), generator=g)), SAYS["zero"]),
    Mistake(_loss(lambda T, n, g: torch.randint(1, T, (n,), generator=g)), SAYS["no T"]),
    Mistake(_loss(lambda T, n, g: torch.randint(1, T + 1, (1,), generator=g).expand(n)), SAYS["one t"]),
    Mistake(_loss(lambda T, n, g: torch.randint(1, 501, (n,), generator=g)), SAYS["beyond"]),
    Mistake(_loss(lambda T, n, g: (torch.rand(n, generator=g).square() * T).ceil().long()), SAYS["odds"]),
    Mistake(_loss(lambda T, n, g: torch.randint(1, T + 1, (n,))), SAYS["from t"]),
    Mistake(_loss(told=lambda t, T: t.float()), SAYS["whole t"]),
    Mistake(_loss(told=lambda t, T: t / (T + 1)), SAYS["longer T"]),
    Mistake(_loss(told=lambda t, T: (t / T).view(-1, 1, 1, 1)), SAYS["shape t"]),
    Mistake(_loss(told=lambda t, T: 1 - (t - 1) / T), SAYS["other t"]),
    Mistake(_loss(draw=torch.rand), SAYS["mean"]),
    Mistake(_loss(draw=lambda shape, generator: torch.rand(shape, generator=generator) - 0.5),
            SAYS["uniform"]),
    Mistake(_loss(draw=lambda shape, generator: torch.randn(shape)), SAYS["from noise"]),
    Mistake(_loss(draw=_one_for_all), SAYS["shared"]),
    Mistake(_loss(draw=_one_for_each), SAYS["pixels"]),
    Mistake(_loss(noisy=x_t(of_noise=lambda a: 1 - a)), "or has the wrong strength"),
    Mistake(_loss(noisy=in_float64), SAYS["double x"]),
    Mistake(_loss(told=lambda t, T: t.double() / T), SAYS["double t"]),
    Mistake(_loss(noisy=lambda alpha_bar, x_0, t, noise: x_0), SAYS["clean"]),
    Mistake(_loss(noisy=_other_noise), SAYS["value"]),
    Mistake(_loss(drop=lambda c, g: c), SAYS["kept"]),
    Mistake(_loss(drop=lambda c, g: c * (torch.rand(len(c), 1) >= 0.1)), SAYS["from keep"]),
    Mistake(_loss(drop=lambda c, g: c * (torch.rand(c.shape, generator=g) >= 0.1)), DROP_SAYS["element"]),
    Mistake(_loss(drop=lambda c, g: c * (torch.rand(1, generator=g) < 0.1)), DROP_SAYS["whole batch"]),
    Mistake(_loss(drop=_drop(lambda c, drop: c * drop)), DROP_SAYS["flipped"]),
    Mistake(_loss(drop=_drop(lambda c, drop: -c * ~drop)), DROP_SAYS["negated"]),
    Mistake(_loss(drop=_drop(lambda c, drop: c * ~drop / 0.9)), DROP_SAYS["rescaled"]),
    Mistake(_loss(drop=_drop(lambda c, drop: (c * ~drop).flip(1))), SAYS["context"]),
    Mistake(_loss(drop=_in_place), SAYS["changed"]),
    Mistake(_loss(of=lambda gap: gap.square().sum()), SAYS["sum"]),
    Mistake(_loss(of=lambda gap: gap.square().flatten(1).mean(1)), SAYS["vector"]),
    Mistake(_loss(of=lambda gap: gap.abs().mean()), SAYS["abs"]),
    Mistake(_loss(of=lambda gap: gap.square().mean().sqrt()), SAYS["root"]),
    Mistake(_loss(of=lambda gap: gap.mean()), SAYS["plain"]),
    Mistake(_loss(of=lambda gap: gap.square().mean() / 2), SAYS["half"]),
    Mistake(_loss(of=lambda gap: gap.square().mean().item()), SAYS["number"]),
    Mistake(_loss(target="x_0"), SAYS["x_0"]),
    Mistake(_loss(target="x_t"), SAYS["x_t"]),
    Mistake(_no_grad, SAYS["cut"]),
    Mistake(_twice, SAYS["calls"]),
]  # fmt: skip
