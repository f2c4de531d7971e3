"""Notebook 08, training: what training_loss and train_network must do, told from networks that listen."""

import torch
from torch import Tensor, nn

from .context_dropout import DROP_SAYS
from .empty_cell_worked import make_alpha_bar, noised
from .randomness import seeded
from .sampling_loop import is_beyond

BATCH, STEPS = 4000, 10  # images of a check of the loss, and its T
LOSS_SAYS = {
    "beyond": "A t beyond alpha_bar. Its last index is T = len(alpha_bar) - 1: 10 here, whatever it was.",
    "number": "A plain number comes back. The tensor itself is wanted, so that backward() can start from it: "
    "no .item() here.",
    "calls": "The network must be asked once for the whole batch, each image with its context or without.",
    "clean": "The network is shown the clean images. Show it x_t, the noised ones.",
    "shape t": "The network wants t as (batch,), a fraction for each image",
    "double x": "x_t is float64, as alpha_bar is, and the network has float32 weights: it would stop. Bring "
    "the factors to the images' dtype, .to(x_0.dtype).",
    "double t": "t / T is float64, and the network has float32 weights: it would stop. t / T of a LongTensor "
    "is float32 by itself.",
    "whole t": "The network is told the step t itself. It wants the fraction t / T, between 0 and 1.",
    "longer T": "What the network is told is no multiple of 1 / T. T is len(alpha_bar) - 1, for alpha_bar "
    "has T + 1 entries; here it is 10, whatever it is elsewhere.",
    "one t": "All images of the batch have the same t. Each draws its own.",
    "zero": "The network is told t = 0, which is the clean image: no noise to predict. Draw t from 1 to T, "
    "and tell the network t / T.",
    "no T": "t = T never comes out: torch.randint leaves out its upper bound, so it must be T + 1.",
    "odds": "The steps 1 .. T do not come out equally often.",
    "other t": "The noise in x_t is not that of the t which the network is told, or has the wrong strength: "
    "x_t = noised(alpha_bar, x_0, t, noise), and the same t over T for the network.",
    "mean": "The noise is uniform from 0 to 1, that is torch.rand. A Gaussian is wanted, torch.randn.",
    "uniform": "The noise is not Gaussian: none of it is far from 0. Draw it with torch.randn.",
    "shared": "All images of the batch get the same noise. Draw it in the shape of x_0.",
    "pixels": "All pixels of an image get the same noise. Draw it in the shape of x_0.",
    "kept": "No context was dropped in 4,000 images: each row becomes zeros with probability 0.1. (Is one "
    "number drawn for the whole batch? Each image needs its own.)",
    "context": "The classes that reach the network are not those of the images: c, or zeros, row by row.",
    "changed": "x_0 or c is changed on the way, and the caller still needs them: work on new tensors.",
    "vector": "One number for the whole batch is wanted, the mean over everything",
    "sum": "That is the sum over all pixels. Take the mean, which does not depend on the size of a batch.",
    "x_0": "The answer is compared with the clean image. This network predicts the noise.",
    "x_t": "The answer is compared with x_t, which the network was given. Compare with the noise.",
    "abs": "These are absolute differences. Eq. 14 squares them: only then the best answer is the mean.",
    "root": "That is the root of the mean square. Eq. 14 takes no root.",
    "plain": "The differences are not squared: errors of opposite signs cancel.",
    "half": "That is half of the mean square, or another multiple of it. Take the mean of the squares.",
    "value": "The loss is not the mean of (predicted noise − noise)².",
    "cut": "No gradient reaches the network from this loss: something detaches it, or it is under no_grad.",
    "from t": "The steps t do not come from `generator`: two seeds gave the same, or one seed gave two.",
    "from noise": "The noise does not come from `generator`: two seeds gave the same, or one seed gave two.",
    "from keep": "Which contexts are dropped does not come from `generator`: two seeds gave the same, or one "
    "seed gave two.",
}


class Listener(nn.Module):
    """Keeps what it is asked; its answer depends on a weight and on each argument."""

    def __init__(self):
        super().__init__()
        self.weight, self.heard = nn.Parameter(torch.tensor(0.5)), []

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        self.heard.append((x.detach().clone(), t, c.detach().clone()))
        out = self.weight * x + 0.3
        self.answer = out.detach().clone()
        return out


def _hear(answer, x_0: Tensor, c: Tensor, alpha_bar: Tensor, seed: int):
    network = Listener()
    return network, answer(network, alpha_bar, x_0, c, seeded(seed))


def test_loss(answer) -> str | None:
    """The first thing wrong with a function like training_loss, in a sentence; None if there is nothing."""
    generator, bar = seeded(8), make_alpha_bar(STEPS, 0.02, 0.5)
    x_0 = torch.rand(BATCH, 3, 4, 4, generator=generator) * 2 - 1
    c = torch.eye(5)[torch.randint(5, (BATCH,), generator=generator)] + 0.5  # dense: parts can be missing
    before = x_0.clone(), c.clone()
    try:
        network, loss = _hear(answer, x_0, c, bar, seed=1)
    except IndexError as error:
        if not is_beyond(error, STEPS):
            raise
        return LOSS_SAYS["beyond"]
    if not (torch.equal(x_0, before[0]) and torch.equal(c, before[1])):
        return LOSS_SAYS["changed"]
    if loss is None:
        return None  # the frame says it
    if not isinstance(loss, Tensor):
        return LOSS_SAYS["number"] if isinstance(loss, float) else f"A tensor is wanted, got {loss!r}."
    if len(network.heard) != 1 or len(network.heard[0][0]) != BATCH:
        return LOSS_SAYS["calls"]
    x_t, told, context = network.heard[0]
    if x_t.dtype != x_0.dtype:
        return LOSS_SAYS["double x"]
    complaint = _wrong_t(told) or _wrong_context(context, c)
    if complaint:
        return complaint
    t = (told * STEPS).round().long()
    if torch.equal(x_t, x_0):
        return LOSS_SAYS["clean"]
    noise = _noise_in(x_t, x_0, bar, told)
    return (
        _wrong_noise(noise, t)
        or _wrong_value(loss, network.answer, noise, x_0, x_t)
        or _wrong_draws(answer, x_0, c, bar, network)
        or _wrong_gradient(loss, network)
    )


def _noise_in(x_t: Tensor, x_0: Tensor, bar: Tensor, told: Tensor) -> Tensor:
    t = (told * (len(bar) - 1)).round().long()
    rest = (1 - bar[t]).sqrt().view(-1, 1, 1, 1).float()
    return (x_t - noised(bar, x_0, t, torch.zeros_like(x_0))) / rest


def _wrong_t(told) -> str | None:
    if not isinstance(told, Tensor) or told.shape != (BATCH,):
        kind = f"shape {tuple(told.shape)}" if isinstance(told, Tensor) else type(told).__name__
        return f"{LOSS_SAYS['shape t']}; for {BATCH} images it got {kind}."
    if told.dtype == torch.float64:
        return LOSS_SAYS["double t"]
    if told.unique().numel() == 1:
        return LOSS_SAYS["one t"]
    if told.max() > 1.5:
        return LOSS_SAYS["whole t"]
    steps = told.double() * STEPS
    if (steps - steps.round()).abs().max() > 1e-4:
        return LOSS_SAYS["longer T"]
    if steps.min() < 0.5:
        return LOSS_SAYS["zero"]
    if steps.max() < STEPS - 0.5:
        return LOSS_SAYS["no T"]
    share = steps.round().long().bincount(minlength=STEPS + 1)[1 : STEPS + 1] / BATCH
    return LOSS_SAYS["odds"] if (share - 1 / STEPS).abs().max() > 0.03 or steps.max() > 10.5 else None


def _wrong_context(got: Tensor, c: Tensor) -> str | None:
    if got.shape != c.shape:
        return DROP_SAYS["mask"] if got.shape[:1] == c.shape[:1] else DROP_SAYS["rows gone"]
    zero = (got == 0).float().mean(dim=1)
    dropped = zero == 1
    share = dropped.float().mean().item()
    if bool(((zero > 0) & (zero < 1)).any()):
        return DROP_SAYS["element"]
    kept, whole = got[~dropped], c[~dropped]
    if len(kept) and torch.allclose(kept, -whole):
        return DROP_SAYS["negated"]
    if len(kept) and torch.allclose(kept, whole / 0.9):
        return DROP_SAYS["rescaled"]
    if len(kept) and not torch.equal(kept, whole):
        return LOSS_SAYS["context"]
    if share == 1:
        return DROP_SAYS["whole batch"]
    if share == 0:
        return LOSS_SAYS["kept"]
    if abs(share - 0.9) < 0.03:
        return DROP_SAYS["flipped"]
    if bool(dropped[: int(dropped.sum())].all()):
        return DROP_SAYS["first"]
    if abs(share - 0.1) > 0.025:
        return f"The context is dropped for {share:.0%} of the images. It should be 10%."
    return None


def _wrong_noise(noise: Tensor, t: Tensor) -> str | None:
    flat = noise.flatten(1)
    by_t = torch.stack([flat[t == step].std() for step in t.unique()])
    if (flat - flat[:1]).abs().max() < 1e-2:
        return LOSS_SAYS["shared"]
    if (flat - flat[:, :1]).abs().max() < 1e-2:
        return LOSS_SAYS["pixels"]
    if (by_t - 0.289).abs().max() < 0.05:
        return LOSS_SAYS["mean" if flat.mean() > 0.25 else "uniform"]
    if (by_t - 1).abs().max() > 0.06:
        strong = f"{by_t[0]:.2f} at t = 1 and {by_t[-1]:.2f} at t = T"
        return f"{LOSS_SAYS['other t']} (Its deviation, which should be 1, is {strong}.)"
    return LOSS_SAYS["uniform"] if flat.abs().max() < 2.5 else None  # of 192,000 numbers


def _wrong_value(loss: Tensor, answer: Tensor, noise: Tensor, x_0: Tensor, x_t: Tensor) -> str | None:
    if loss.numel() != 1:
        return f"{LOSS_SAYS['vector']}; this has the shape {tuple(loss.shape)}."
    gap, value = answer - noise, loss.item()
    right = gap.square().mean().item()
    for name, wrong in (
        ("sum", gap.square().sum()), ("x_0", (answer - x_0).square().mean()), ("half", right / 2),
        ("x_t", (answer - x_t).square().mean()), ("abs", gap.abs().mean()), ("root", right**0.5),
        ("plain", gap.mean()), ("plain", -gap.mean()), ("sum", gap.square().sum() / BATCH),
    ):  # fmt: skip
        if abs(value - float(wrong)) <= 2e-3 * abs(float(wrong)):
            return LOSS_SAYS[name]
    return LOSS_SAYS["value"] if not abs(value - right) <= 2e-3 * right else None


def _wrong_draws(answer, x_0: Tensor, c: Tensor, bar: Tensor, first: Listener) -> str | None:
    again, other = (_hear(answer, x_0, c, bar, seed)[0] for seed in (1, 2))
    for name, of in (
        ("t", lambda x_t, told, context: told),
        ("keep", lambda x_t, told, context: (context == 0).all(dim=1).float()),
        ("noise", lambda x_t, told, context: _noise_in(x_t, x_0, bar, told)),
    ):
        one, same, another = (of(*network.heard[0]) for network in (first, again, other))
        if not torch.equal(one, same) or (one - another).abs().max() < 1e-2:
            return LOSS_SAYS[f"from {name}"]
    return None


def _wrong_gradient(loss: Tensor, network: Listener) -> str | None:
    if not loss.requires_grad:
        return LOSS_SAYS["cut"]
    loss.backward()
    return None if network.weight.grad is not None and network.weight.grad != 0 else LOSS_SAYS["cut"]
