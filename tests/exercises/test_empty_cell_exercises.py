"""Notebook 08: right answers of other styles are accepted, further wrong ones refused, the texts agree."""

import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from diffusion_lib.exercises import LESSONS, empty_cell, exercises_of
from diffusion_lib.exercises import empty_cell_worked as worked
from diffusion_lib.exercises.empty_cell_worked import (
    TinyUnet,
    block,
    embedding,
    noised,
    training_loss,
)
from diffusion_lib.guidance import clipped, guided
from diffusion_lib.samplers import last, sample_ddim, sample_ddpm
from diffusion_lib.schedule import NoiseSchedule, add_noise
from diffusion_lib.unet import ContextUnet

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
RIGHT, WRONG = {}, {}


def right(function):
    """Files an answer by its name: noised_2 is one to noised."""
    RIGHT[function.__name__] = function
    return function


def wrong(function):
    WRONG[function.__name__] = function
    return function


def exercise_of(name):
    return getattr(empty_cell, name.rsplit("_", 1)[0])


# --- make_alpha_bar


@right
def make_alpha_bar_1(n, start, end):
    return NoiseSchedule.linear(n, start, end).alpha_bar


@right
def make_alpha_bar_2(n, start, end):
    bar = [1.0]
    for i in range(n):
        bar.append(bar[-1] * (1 - (start + (end - start) * i / (n - 1))))
    return torch.tensor(bar, dtype=torch.float64)


@right
def make_alpha_bar_3(T, b1, b2):
    beta = torch.zeros(T + 1, dtype=torch.double)
    beta[1:] = torch.linspace(b1, b2, T, dtype=torch.double)
    return (1 - beta).cumprod(0)


@right
def make_alpha_bar_4(T, b1, b2):
    return torch.from_numpy(np.concatenate([[1.0], np.cumprod(1 - np.linspace(b1, b2, T))]))


@right
def make_alpha_bar_5(T, b1, b2):
    beta = torch.linspace(b1, b2, T).double()  # float32 at first
    return F.pad((1 - beta).log().cumsum(0).exp(), (1, 0), value=1.0)


@right
def make_alpha_bar_6(num_steps, beta_start, beta_end):
    alpha_bar = torch.ones(num_steps + 1, dtype=torch.float64)
    for t in range(1, num_steps + 1):
        beta = beta_start + (beta_end - beta_start) * (t - 1) / (num_steps - 1)
        alpha_bar[t] = alpha_bar[t - 1] * (1 - beta)
    return alpha_bar


@wrong
def make_alpha_bar_11(T, b1, b2):
    return [1.0, *torch.cumprod(1 - torch.linspace(b1, b2, T), 0).tolist()]


@wrong
def make_alpha_bar_12(T, b1, b2):
    return make_alpha_bar_3(500, b1, b2)


@wrong
def make_alpha_bar_13(T, b1, b2):
    return make_alpha_bar_3(T, b1, b2)[:, None]


@wrong
def make_alpha_bar_14(T, b1, b2):
    return NoiseSchedule.cosine(T).alpha_bar


@wrong
def make_alpha_bar_15(T, b1, b2):
    return make_alpha_bar_3(T, b1, b2).flip(0)


# --- noised


@right
def noised_1(alpha_bar, x_0, t, noise):
    schedule = NoiseSchedule(1 - alpha_bar, alpha_bar, alpha_bar)
    return add_noise(schedule, x_0, t, noise)


@right
def noised_2(ab, x, t, eps):
    a = ab[t][:, None, None, None].float()
    return a.sqrt() * x + (1 - a).sqrt() * eps


@right
def noised_3(ab, x, t, eps):
    a = ab.gather(0, t).reshape(-1, 1, 1, 1)
    return (a**0.5 * x + (1 - a) ** 0.5 * eps).float()


@right
def noised_4(ab, x, t, eps):
    made = [math.sqrt(ab[s]) * a + math.sqrt(1 - ab[s]) * e for a, s, e in zip(x, t, eps)]
    return torch.stack(made)


@right
def noised_5(ab, x, t, eps):
    a = ab[t].to(x.dtype)
    return torch.einsum("n,nchw->nchw", a.sqrt(), x) + torch.einsum("n,nchw->nchw", (1 - a).sqrt(), eps)


@right
def noised_6(ab, x, t, eps):
    signal = torch.sqrt(ab)[t].type_as(x).view(len(x), 1, 1, 1)
    return signal * x + torch.sqrt(1 - ab)[t].type_as(x).view(len(x), 1, 1, 1) * eps


@wrong
def noised_11(ab, x, t, eps):
    a = ab[t].float().view(-1, 1, 1, 1)
    return a.sqrt() * x + a.sqrt() * eps


@wrong
def noised_12(ab, x, t, eps):
    a = ab[t].float().mean()
    return a.sqrt() * x + (1 - a).sqrt() * eps


@wrong
def noised_13(ab, x, t, eps):
    return noised(ab, x, t, eps).clamp(-1, 1)


@wrong
def noised_14(ab, x, t, eps):
    return noised(ab, x, (t + 1).clamp(max=len(ab) - 1), eps)


@wrong
def noised_15(ab, x, t, eps):
    return noised(ab, x, t, eps)[0]


# --- tiny_unet


class _Library(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.inner = ContextUnet(3, n_feat=16, n_cfeat=num_classes, height=16)

    def forward(self, x, t, c):
        return self.inner(x, t, c)


class _Groups(nn.Module):
    """One level, GroupNorm, a nearest-neighbour way up, an addition for a skip, sines for the time."""

    def __init__(self, classes):
        super().__init__()
        self.enter, self.down = nn.Conv2d(3, 24, 3, padding=1), nn.Conv2d(24, 48, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(8, 48), nn.SiLU(), nn.Conv2d(48, 48, 3, padding=1)) for _ in range(2)
        )
        self.told, self.when = nn.Linear(classes, 48), nn.Linear(16, 48)
        self.up = nn.Conv2d(48, 24, 3, padding=1)
        self.out = nn.Conv2d(24, 3, 3, padding=1)
        nn.init.zeros_(self.out.weight)  # as some do
        nn.init.zeros_(self.out.bias)

    def forward(self, image, time, context):
        waves = time.view(-1, 1) * 2.0 ** torch.arange(8)
        when = self.when(torch.cat((waves.sin(), waves.cos()), dim=1))
        first = self.enter(image)
        u = self.down(F.silu(first))
        for layer in self.middle:
            u = u + layer((1 + self.told(context))[:, :, None, None] * u + when[:, :, None, None])
        u = F.interpolate(self.up(u), scale_factor=2)
        return self.out(F.silu(u + first))


class _Planes(nn.Module):
    """Class and time as further planes of the input; dropout; pooling by mean; no normalisation."""

    def __init__(self, k):
        super().__init__()
        self.a, self.b = nn.Conv2d(4 + k, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.c, self.d = nn.Conv2d(64, 32, 3, padding=1), nn.Conv2d(64, 3, 3, padding=1)
        self.drop = nn.Dropout(0.1)

    def forward(self, x, t, c):
        n = len(x)
        planes = torch.cat((t.view(n, 1), c), 1)[:, :, None, None].expand(-1, -1, 16, 16)
        first = torch.relu(self.a(torch.cat((x, planes), 1)))
        u = torch.relu(self.b(F.avg_pool2d(first, 4)))
        u = self.drop(torch.relu(self.c(F.interpolate(u, scale_factor=4, mode="bilinear"))))
        return self.d(torch.cat((u, first), 1))


class _Attention(nn.Module):
    """A transformer on patches."""

    def __init__(self, k):
        super().__init__()
        self.patch = nn.Conv2d(3, 48, 4, stride=4)
        self.place = nn.Parameter(torch.randn(16, 48) * 0.1)
        self.t, self.c = nn.Linear(1, 48), nn.Linear(k, 48, bias=False)
        self.body = nn.TransformerEncoderLayer(48, 4, 96, batch_first=True)
        self.out = nn.ConvTranspose2d(48, 3, 4, stride=4)

    def forward(self, x, t, c):
        u = self.patch(x).flatten(2).mT + self.place
        u = self.body(u + (self.t(t[:, None]) + self.c(c))[:, None])
        return self.out(u.mT.unflatten(2, (4, 4)))


class _Instance(nn.Module):
    def __init__(self, num_classes, f=16):
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                "in": nn.Sequential(nn.Conv2d(3, f, 5, padding=2), nn.InstanceNorm2d(f), nn.LeakyReLU()),
                "down": nn.Sequential(nn.Conv2d(f, 2 * f, 4, stride=4), nn.ReLU()),
                "up": nn.Sequential(nn.Conv2d(2 * f, 16 * f, 3, padding=1), nn.PixelShuffle(4)),
                "out": nn.Conv2d(2 * f, 3, 3, padding=1),
            }
        )
        self.embed = nn.Sequential(nn.Linear(num_classes + 1, 64), nn.Tanh(), nn.Linear(64, 4 * f))

    def forward(self, x, t, c):
        scale, shift = self.embed(torch.cat((c, t.unsqueeze(1)), 1))[:, :, None, None].chunk(2, dim=1)
        whole = self.layers["in"](x)
        u = self.layers["down"](whole) * scale + shift
        return self.layers["out"](torch.cat((self.layers["up"](u), whole), dim=1))


class _Wide(TinyUnet):
    def __init__(self, n):
        super().__init__(n, width=40)


class _ThreeLevels(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        sizes = [3, 16, 24, 32]
        self.down = nn.ModuleList(block(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.up = nn.ModuleList(block(b + a, a) for a, b in ((24, 32), (16, 24)))
        self.t = nn.ModuleList(embedding(1, b) for b in (32, 24))
        self.c = nn.ModuleList(embedding(num_classes, b) for b in (32, 24))
        self.pool, self.grow, self.last = nn.AvgPool2d(2), nn.Upsample(scale_factor=2), nn.Conv2d(16, 3, 1)

    def forward(self, x, t, c):
        maps = []
        for i, layer in enumerate(self.down):
            x = layer(self.pool(x) if i else x)
            maps.append(x)
        u = maps.pop()
        for layer, when, what in zip(self.up, self.t, self.c):
            u = self.grow(what(c) * u + when(t.reshape(-1, 1)))
            u = layer(torch.cat((u, maps.pop()), 1))
        return self.last(u)


for number, network in enumerate(
    (_Library, _Groups, _Planes, _Attention, _Instance, _Wide, _ThreeLevels), start=1
):
    RIGHT[f"tiny_unet_{number}"] = network
RIGHT["tiny_unet_8"] = lambda num_classes: ContextUnet(3, 16, num_classes, 16)  # a function that makes one


class _TimeOfTheFirst(_Planes):
    def forward(self, x, t, c):
        return super().forward(x, t[:1].expand(len(x)), c)


class _Softened(_Planes):
    def forward(self, x, t, c):
        return torch.sigmoid(super().forward(x, t, c))


class _NoisyItself(_Planes):
    def forward(self, x, t, c):
        return super().forward(x + 0.01 * torch.randn(x.shape), t, c)


class _AlwaysDrops(_Planes):
    def forward(self, x, t, c):
        return F.dropout(super().forward(x, t, c), 0.2)


class _NoSuper(nn.Module):
    def __init__(self, n):
        self.a = nn.Conv2d(3, 3, 3)

    def forward(self, x, t, c):
        return self.a(x)


class _Normalised(_Planes):
    def forward(self, x, t, c):
        out = super().forward(x, t, c)
        return (out - out.mean()) / out.std()


class _WholeSteps(_Planes):
    def forward(self, x, t, c):
        return super().forward(x, t.long().float(), c)


class _Smaller(_Planes):
    def forward(self, x, t, c):
        return super().forward(x, t, c)[:, :, ::2, ::2]


class _FlatWithGroups(nn.Module):
    """No smaller map at all: only the norms see the whole picture."""

    def __init__(self, k):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 48), (48, 48), (48, 3)))
        self.norms = nn.ModuleList(nn.GroupNorm(8, 48) for _ in range(2))
        self.told = nn.Linear(k + 1, 48)

    def forward(self, x, t, c):
        told = self.told(torch.cat((c, t[:, None]), 1))[:, :, None, None]
        u = self.norms[0](self.layers[0](x)).relu() + told
        return self.layers[2](self.norms[1](self.layers[1](u)).relu())


class _Stuck(_Planes):
    def __init__(self, k):
        super().__init__(k)
        self.b.weight.data.zero_()
        self.extra = nn.Parameter(torch.zeros(3))


for number, network in enumerate(
    (_TimeOfTheFirst, _Softened, _NoisyItself, _AlwaysDrops, _NoSuper, _Normalised, _WholeSteps, _Smaller,
     _Stuck, _FlatWithGroups), start=11,
):  # fmt: skip
    WRONG[f"tiny_unet_{number}"] = network


# --- training_loss


def _draws(x_0, c, bar, generator, order="tnk"):
    made = {}
    for which in order:
        if which == "t":
            made["t"] = torch.randint(len(bar) - 1, (len(x_0),), generator=generator) + 1
        elif which == "n":
            made["n"] = torch.empty_like(x_0).normal_(generator=generator)
        else:
            made["k"] = torch.bernoulli(torch.full((len(c), 1), 0.9), generator=generator)
    return made["t"], made["n"], made["k"]


def _loss_of(order, reduce=lambda a, b: F.mse_loss(a, b), drop=lambda c, k: c * k):
    def answer(net, ab, x, y, g):
        t, eps, k = _draws(x, y, ab, g, order)
        return reduce(net(noised(ab, x, t, eps), t.float() / (len(ab) - 1), drop(y, k)), eps)

    return answer


for number, loss in enumerate(
    (
        _loss_of("tnk"), _loss_of("knt"), _loss_of("nkt"),
        _loss_of("ktn", lambda a, b: F.mse_loss(a, b, reduction="none").flatten(1).mean(1).mean()),
        _loss_of("tkn", lambda a, b: ((b - a) ** 2).sum() / b.numel()),
        _loss_of("ntk", drop=lambda c, k: torch.where(k.bool(), c, torch.zeros_like(c))),
        _loss_of("tnk", drop=lambda c, k: c.masked_fill(k == 0, 0.0)),
        _loss_of("tnk", nn.MSELoss()),
        _loss_of("tnk", lambda a, b: torch.linalg.vector_norm(a - b) ** 2 / a.numel()),
    ), start=1,
):  # fmt: skip
    RIGHT[f"training_loss_{number}"] = loss


@right
def training_loss_10(network, alpha_bar, x_0, c, generator):
    T = alpha_bar.shape[0] - 1
    t = (torch.rand(len(x_0), generator=generator) * T).long() + 1
    noise = torch.randn(*x_0.shape, generator=generator)
    c = c.clone()
    c[torch.rand(len(c), generator=generator) < 0.1] = 0
    a = alpha_bar[t].view(-1, 1, 1, 1)
    x_t = (a.sqrt() * x_0 + (1 - a).sqrt() * noise).float()
    return nn.functional.mse_loss(network(x_t, t / T, c), noise)


for number, loss in enumerate(
    (
        _loss_of("tnk", lambda a, b: F.l1_loss(a, b)), _loss_of("tnk", lambda a, b: F.smooth_l1_loss(a, b)),
        _loss_of("tnk", lambda a, b: F.mse_loss(a, b, reduction="sum")),
        _loss_of("tnk", lambda a, b: F.mse_loss(a, b, reduction="none")),
        _loss_of("tnk", lambda a, b: F.mse_loss(a.detach(), b)),
        _loss_of("tnk", drop=lambda c, k: c * (1 - k)),
        _loss_of("tnk", drop=lambda c, k: c * k.mean().round()),
        _loss_of("tnk", drop=lambda c, k: F.dropout(c, 0.1)),
        _loss_of("tnk", drop=lambda c, k: c[k[:, 0] == 1]),
        _loss_of("tnk", drop=lambda c, k: c * k - (1 - k)),
    ), start=11,
):  # fmt: skip
    WRONG[f"training_loss_{number}"] = loss


@wrong
def training_loss_21(network, alpha_bar, x_0, c, generator):
    t, noise, keep = _draws(x_0, c, alpha_bar, generator)
    return (network(noise, t / (len(alpha_bar) - 1), c * keep) - noise).square().mean()


@wrong
def training_loss_22(network, alpha_bar, x_0, c, generator):
    t, noise, keep = _draws(x_0, c, alpha_bar, generator)
    return (noised(alpha_bar, x_0, t, noise) - noise).square().mean()


@wrong
def training_loss_23(network, alpha_bar, x_0, c, generator):
    t, noise, keep = _draws(x_0, c, alpha_bar, generator)
    return (network(noised(alpha_bar, x_0, t, noise), alpha_bar[t].float(), c * keep) - noise).square().mean()


@wrong
def training_loss_24(network, alpha_bar, x_0, c, generator):
    return training_loss(network, alpha_bar, x_0, c, torch.Generator().manual_seed(0))


@wrong
def training_loss_25(network, alpha_bar, x_0, c, generator):
    return training_loss(network, alpha_bar, x_0.flip(0), c, generator)


# --- train_network


def _trained(make, rate, batches=None, eval_at_end=True, clip=False, set_none=True):
    def answer(net, images, labels, ab, n):
        optimizer, losses, g = make(net.parameters(), lr=4e-3), [], torch.Generator().manual_seed(4)
        scheduler = rate(optimizer, n)
        source = batches(images, labels) if batches else None
        net.train()
        for _ in range(n):
            if source:
                x, y = next(source)
            else:
                order = torch.randperm(len(images), generator=g)[:32]
                x, y = images[order], labels[order]
            loss = training_loss(net, ab, x, y, g)
            optimizer.zero_grad(set_to_none=set_none)
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            scheduler.step()
            losses.append(loss.detach() if clip else loss.item())
        net.train(not eval_at_end)
        return losses

    return answer


def _loader(images, labels):
    while True:
        yield from torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(images, labels), batch_size=32, shuffle=True
        )


def _epochs(images, labels):
    while True:
        for chosen in torch.randperm(len(images)).split(32):
            yield images[chosen], labels[chosen]


S = torch.optim.lr_scheduler
for number, answer in enumerate(
    (
        _trained(torch.optim.Adam, lambda o, n: S.LambdaLR(o, lambda step: 1 - step / n)),
        _trained(torch.optim.AdamW, lambda o, n: S.CosineAnnealingLR(o, n)),
        _trained(torch.optim.Adam, lambda o, n: S.LinearLR(o, 1.0, 0.0, n), _loader),
        _trained(torch.optim.Adam, lambda o, n: S.PolynomialLR(o, n), _epochs),
        _trained(torch.optim.Adam, lambda o, n: S.OneCycleLR(o, 4e-3, n), clip=True),
        _trained(torch.optim.Adam, lambda o, n: S.LambdaLR(o, lambda s: min((s + 1) / 50, 1) * (1 - s / n))),
        _trained(torch.optim.NAdam, lambda o, n: S.LambdaLR(o, lambda step: 1 - step / n), set_none=False),
    ), start=1,
):  # fmt: skip
    RIGHT[f"train_network_{number}"] = answer


@right
def train_network_8(network, images, labels, alpha_bar, num_steps):
    """With a moving average that is copied back."""
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    optimizer = torch.optim.Adam(network.parameters())
    generator = torch.Generator().manual_seed(1)
    network.train()
    losses = torch.zeros(num_steps)
    for step in range(num_steps):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 - 4e-3 * step / num_steps
        pick = np.random.default_rng(step).choice(len(images), 32, replace=False)
        loss = training_loss(network, alpha_bar, images[pick], labels[pick], generator)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update_parameters(network)
        losses[step] = loss.item()
    for p, mean in zip(network.parameters(), average.module.parameters()):
        p.data.copy_(mean)
    network.eval()
    return losses.tolist()


@right
def train_network_9(network, images, labels, alpha_bar, num_steps):
    """Adam by hand."""
    first = [torch.zeros_like(p) for p in network.parameters()]
    second = [torch.zeros_like(p) for p in network.parameters()]
    losses, generator = [], torch.Generator().manual_seed(2)
    network.train()
    for step in range(1, num_steps + 1):
        pick = torch.randint(0, len(images), (32,), generator=generator)
        loss = training_loss(network, alpha_bar, images[pick], labels[pick], generator)
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        rate = 4e-3 * (1 - (step - 1) / num_steps)
        with torch.no_grad():
            for p, g, m, v in zip(network.parameters(), gradients, first, second):
                m.lerp_(g, 0.1)
                v.lerp_(g * g, 0.001)
                p -= rate * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
        losses.append(loss.item())
    network.eval()
    return losses


for number, answer in enumerate(
    (
        _trained(torch.optim.Adam, lambda o, n: S.StepLR(o, 1, 0.998)),  # ends at 2/3 of it
        _trained(torch.optim.RMSprop, lambda o, n: S.LambdaLR(o, lambda step: 1 - step / n)),
        _trained(torch.optim.Adam, lambda o, n: S.LambdaLR(o, lambda step: 4e-3 * (1 - step / n))),
        _trained(torch.optim.Adam, lambda o, n: S.LambdaLR(o, lambda step: 1 - step / n), eval_at_end=False),
        _trained(torch.optim.Adam, lambda o, n: S.ExponentialLR(o, 0.5)),
        _trained(torch.optim.Adam, lambda o, n: S.ConstantLR(o, 1.0)),
        _trained(torch.optim.Adam, lambda o, n: S.LambdaLR(o, lambda step: step / n)),
    ), start=11,
):  # fmt: skip
    WRONG[f"train_network_{number}"] = answer


@wrong
def train_network_18(network, images, labels, alpha_bar, num_steps):
    return [worked.train_network(network, images, labels, alpha_bar, num_steps)]


@wrong
def train_network_19(network, images, labels, alpha_bar, num_steps):
    return worked.train_network(TinyUnet(5, 4), images, labels, alpha_bar, num_steps)


@wrong
def train_network_20(network, images, labels, alpha_bar, num_steps):
    return worked.train_network(network, images, labels.flip(0), alpha_bar, num_steps)


@wrong
def train_network_21(network, images, labels, alpha_bar, num_steps):
    return sorted(worked.train_network(network, images, labels, alpha_bar, num_steps), reverse=True)


@wrong
def train_network_22(network, images, labels, alpha_bar, num_steps):
    return worked.train_network(network, images, labels, alpha_bar, num_steps // 2)


# --- guided_noise


@right
def guided_noise_1(model, x, t, T, c, w):
    with torch.inference_mode():
        both = model(torch.cat((x, x)), torch.full((2 * len(x),), t / T), torch.cat((torch.zeros_like(c), c)))
        none, told = both.chunk(2)
        return torch.lerp(none, told, w)


@right
@torch.no_grad()
def guided_noise_2(model, x, t, T, c, w):
    time = torch.ones(len(x)) * t / T
    return (1 - w) * model(x, time, 0 * c) + w * model(x, time, c)


@right
def guided_noise_3(model, x, t, T, c, w):
    time = torch.tensor([t / T]).repeat(x.shape[0])
    none = model(x, time, torch.zeros(len(x), c.shape[1])).detach()
    return none + w * (model(x, time, c).detach() - none)


@right
def guided_noise_4(model, x, t, T, c, w):
    with torch.no_grad():
        time = torch.tensor(t / T).expand(len(x))
        told = model(x, time, c)
        return told if w == 1 else told + (w - 1) * (told - model(x, time, torch.zeros_like(c)))


@right
def guided_noise_5(model, x, t, T, c, w):
    with torch.no_grad():
        time = x.new_tensor([t] * len(x)) / T
        e0, e1 = (model(x, time, cc) for cc in (torch.zeros_like(c), c))
        return e0 + w * (e1 - e0)


@right
def guided_noise_6(model, x, t, T, c, w):
    model.eval()  # as one does with a network
    device = next(model.parameters()).device
    with torch.no_grad():
        time = torch.full((len(x),), t / T, device=device)
        none, told = model(x, time, torch.zeros_like(c)), model(x, time, c)
        return none + w * (told - none)


@wrong
def guided_noise_11(model, x, t, T, c, w):
    return worked.guided_noise(model, x, t, T, c, min(w, 1.0))


@wrong
def guided_noise_12(model, x, t, T, c, w):
    return worked.guided_noise(model, x, t, T, c, w).clamp(-1, 1) * 1.01


@wrong
def guided_noise_13(model, x, t, T, c, w):
    with torch.no_grad():
        time = torch.full((len(x),), t / T)
        none, told = model(x, time, torch.ones_like(c)), model(x, time, c)
        return none + w * (told - none)


@wrong
def guided_noise_14(model, x, t, T, c, w):
    with torch.no_grad():
        time = torch.full((len(x),), t / T)
        none, told = model(x, time, torch.zeros_like(c)), model(x, time, c)
        return (none + w * told) / (1 + w)


@wrong
def guided_noise_15(model, x, t, T, c, w):
    return worked.guided_noise(model, x, t, T, c, w).mean(0)


# --- ddpm_sample


@right
def ddpm_sample_1(predict_noise, alpha_bar, x_T, generator):
    schedule = NoiseSchedule.from_beta(1 - alpha_bar[1:] / alpha_bar[:-1])
    return last(sample_ddpm(predict_noise, schedule, x_T, generator=generator))


@right
def ddpm_sample_2(eps, ab, x, g):
    a = ab[1:] / ab[:-1]
    for t in reversed(range(1, len(ab))):
        z = torch.randn(x.shape, generator=g) if t > 1 else torch.zeros_like(x)  # float32
        alpha = a[t - 1]
        mean = alpha.rsqrt() * (x - (1 - alpha) / (1 - ab[t]).sqrt() * eps(x, t))
        x = mean + torch.sqrt(1 - alpha) * z
    return x


@right
def ddpm_sample_3(eps, ab, x, g):
    t = len(ab) - 1
    while t:
        alpha = (ab[t] / ab[t - 1]).item()
        e = eps(x, t)
        x = x / alpha**0.5 - (1 - alpha) / (alpha * (1 - ab[t].item())) ** 0.5 * e
        t -= 1
        if t:
            x += (1 - alpha) ** 0.5 * torch.empty_like(x).normal_(generator=g)
    return x


@right
def ddpm_sample_4(eps, ab, x, g):
    """By way of the clean image and the posterior's mean (eq. 7), with beta for its variance."""
    for t in range(len(ab) - 1, 0, -1):
        clean = (x - (1 - ab[t]).sqrt() * eps(x, t)) / ab[t].sqrt()
        alpha = ab[t] / ab[t - 1]
        x = (ab[t - 1].sqrt() * (1 - alpha) * clean + alpha.sqrt() * (1 - ab[t - 1]) * x) / (1 - ab[t])
        x = x + (t > 1) * (1 - alpha).sqrt() * torch.randn(*x.shape, generator=g)
    return x


@right
def ddpm_sample_5(eps, ab, x, g):
    """The posterior variance is as good."""
    schedule = NoiseSchedule.from_beta(1 - ab[1:] / ab[:-1])
    return last(sample_ddpm(eps, schedule, x, variance="posterior", generator=g))


@right
@torch.no_grad()
def ddpm_sample_6(eps, ab, x, g):
    alpha = torch.cat((torch.ones(1), ab[1:] / ab[:-1]))
    for t in torch.arange(len(ab) - 1, 0, -1):
        z = torch.randn(x.shape, generator=g, dtype=torch.float64)
        z = z * (t > 1)
        beta = 1 - alpha[t]
        x = (x - beta / (1 - ab[t]) ** 0.5 * eps(x, t)) / alpha[t] ** 0.5 + beta**0.5 * z
    return x


@wrong
def ddpm_sample_11(eps, ab, x, g):
    for t in range(len(ab) - 1, 0, -1):
        alpha = ab[t]  # alpha_bar for alpha
        x = (x - (1 - alpha) / (1 - ab[t]).sqrt() * eps(x, t)) / alpha.sqrt()
        x = x + (t > 1) * (1 - alpha).sqrt() * torch.randn(x.shape, generator=g)
    return x


@wrong
def ddpm_sample_12(eps, ab, x, g):
    for t in range(len(ab) - 2, 0, -1):
        alpha = ab[t + 1] / ab[t]
        x = (x - (1 - alpha) / (1 - ab[t]).sqrt() * eps(x, t)) / alpha.sqrt()
        x = x + (t > 1) * (1 - alpha).sqrt() * torch.randn(x.shape, generator=g)
    return x


@wrong
def ddpm_sample_13(eps, ab, x, g):
    for t in range(len(ab) - 1, -1, -1):
        alpha = ab[t] / ab[t - 1]
        x = (x - (1 - alpha) / (1 - ab[t]).sqrt() * eps(x, t)) / alpha.sqrt()
        x = x + (t > 1) * (1 - alpha).sqrt() * torch.randn(x.shape, generator=g)
    return x


@wrong
def ddpm_sample_14(eps, ab, x, g):
    return [ddpm_sample_2(eps, ab, x, g)]


@wrong
def ddpm_sample_15(eps, ab, x, g):
    return ddpm_sample_2(eps, ab, torch.randn(x.shape, generator=g), g)


@wrong
def ddpm_sample_16(eps, ab, x, g):
    return ddpm_sample_2(eps, ab, x, torch.Generator().manual_seed(0))


@wrong
def ddpm_sample_17(eps, ab, x, g):
    return worked.ddim_sample(eps, ab, x, len(ab) - 1)


# --- ddim_sample


@right
def ddim_sample_1(predict_noise, alpha_bar, x_T, num_steps):
    schedule = NoiseSchedule.from_beta(1 - alpha_bar[1:] / alpha_bar[:-1])
    return last(sample_ddim(clipped(predict_noise, schedule), schedule, x_T, num_steps=num_steps))


def _ddim_over(times):
    def answer(eps, ab, x, n):
        steps = times(len(ab) - 1, n)
        for t, s in zip(steps[:-1], steps[1:]):
            a, b = ab[t].item(), ab[s].item()
            clean = torch.clip((x - math.sqrt(1 - a) * eps(x, t)) / math.sqrt(a), -1, 1)
            e = (x - math.sqrt(a) * clean) / math.sqrt(1 - a)
            x = math.sqrt(b) * clean + math.sqrt(1 - b) * e
        return x

    return answer


for number, times in enumerate(
    (
        lambda T, n: torch.linspace(T, 0, n + 1).round().long().tolist(),
        lambda T, n: np.linspace(T, 0, n + 1).round().astype(int),
        lambda T, n: torch.linspace(T, 0, n + 1, dtype=torch.float64).round().long(),
        lambda T, n: [T - T * i // n for i in range(n + 1)],
        lambda T, n: [math.ceil(T * (n - i) / n) for i in range(n + 1)],
        lambda T, n: [int(T * (n - i) / n + 0.5) for i in range(n + 1)],
        lambda T, n: list(reversed([round(T * i / n) for i in range(n + 1)])),
    ), start=2,
):  # fmt: skip
    RIGHT[f"ddim_sample_{number}"] = _ddim_over(times)


@right
def ddim_sample_9(predict_noise, alpha_bar, x_T, num_steps):
    bar = alpha_bar.float()
    x, T = x_T.clone(), len(bar) - 1
    for i in range(num_steps, 0, -1):
        t, s = round(T * i / num_steps), round(T * (i - 1) / num_steps)
        with torch.no_grad():
            e = predict_noise(x, torch.tensor(t))
        clean = ((x - (1 - bar[t]).sqrt() * e) / bar[t].sqrt()).clamp(min=-1, max=1)
        if s == 0:
            return clean
        e = (x - bar[t].sqrt() * clean) / (1 - bar[t]).sqrt()
        x = bar[s].sqrt() * clean + (1 - bar[s]).sqrt() * e


@wrong
def ddim_sample_11(eps, ab, x, n):
    return ddim_sample_1(eps, ab, x, n).clamp(-0.9, 0.9)


@wrong
def ddim_sample_12(eps, ab, x, n):
    return ddim_sample_1(eps, ab, x, max(n - 1, 1))


@wrong
def ddim_sample_13(eps, ab, x, n):
    return ddim_sample_1(lambda x, t: eps(x, t).clamp(-1, 1), ab, x, n)


@wrong
def ddim_sample_14(eps, ab, x, n):
    return ddim_sample_1(lambda x, t: -eps(x, t), ab, x, n)


@wrong
def ddim_sample_15(eps, ab, x, n):
    return ddim_sample_1(eps, ab.sqrt(), x, n)


for number, times in enumerate(
    (
        lambda T, n: [*range(T, 0, -max(1, T // n)), 0],
        lambda T, n: [T - i for i in range(n + 1)],
        lambda T, n: [round(T * (1 - (i / n) ** 2)) for i in range(n + 1)],
        lambda T, n: [round(T * (n - i) / n) for i in range(n)],
        lambda T, n: [max(round(T * (n - i) / n), 1) for i in range(n + 1)],
    ), start=16,
):  # fmt: skip
    WRONG[f"ddim_sample_{number}"] = _ddim_over(times)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_of_another_style_is_accepted(name):
    verdict = exercise_of(name).judge(RIGHT[name])
    assert verdict.status == "right", verdict


@pytest.mark.parametrize("name", WRONG)
def test_a_further_wrong_answer_is_refused(name):
    verdict = exercise_of(name).judge(WRONG[name])
    assert verdict.status in ("wrong", "crashed"), verdict
    assert 15 <= len(verdict.text) <= 500


# --- the worked text


def test_the_worked_text_is_right_as_it_is_printed(capsys):
    """Each solution, read by itself with the parts before it, passes its check."""
    space = {"torch": torch, "nn": nn} | {n: getattr(worked, n) for n in ("noised", "training_loss")}
    for exercise in exercises_of("empty_cell"):
        if exercise.key == "empty_cell.first_loss":
            continue
        exercise.solution()
        text, own = capsys.readouterr().out, dict(space)
        exec(text, own)
        (mine,) = [value for name, value in own.items() if name.lower().startswith("my")]
        verdict = exercise.judge(mine)
        assert verdict.status == "right", verdict


def test_the_worked_notebook_is_the_worked_text():
    path = NOTEBOOKS / "solutions/08_from_an_empty_cell.ipynb"
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    for name, value in vars(worked).items():
        if inspect.isfunction(value) or inspect.isclass(value):
            assert inspect.getsource(value).strip() in cells, name


def test_it_does_what_the_library_does():
    """The same numbers from the same draws, all the way from the schedule to the finished picture."""
    schedule = NoiseSchedule.linear(30, 0.005, 0.5)
    bar = worked.make_alpha_bar(30, 0.005, 0.5)
    assert torch.equal(bar, schedule.alpha_bar)
    x, noise = torch.randn(2, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0, 1, 12, 30])
    assert torch.allclose(noised(bar, x, t, noise), add_noise(schedule, x, t, noise), atol=1e-6)
    torch.manual_seed(0)
    network, c = ContextUnet(3, 8, 5, 16).eval(), torch.eye(5)[:4]
    ours = guided(network, schedule, c, 2.0)
    mine = lambda x, t: worked.guided_noise(network, x, t, 30, c, 2.0)  # noqa: E731
    assert torch.allclose(mine(x, 7), ours(x, 7), atol=1e-5)
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    theirs = last(sample_ddpm(ours, schedule, x, generator=seeds[0]))
    assert torch.allclose(worked.ddpm_sample(mine, bar, x, seeds[1]), theirs, rtol=1e-3, atol=1e-3)
    theirs = last(sample_ddim(clipped(ours, schedule), schedule, x, num_steps=7))
    assert torch.allclose(worked.ddim_sample(mine, bar, x, 7), theirs, atol=1e-4)


def test_a_skipped_step_goes_on_with_ours():
    assert len(LESSONS["empty_cell"]) == 9
    for exercise in exercises_of("empty_cell"):
        assert exercise.yours_or_ours(None) is exercise.reference
