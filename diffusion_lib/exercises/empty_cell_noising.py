"""Notebook 08, the schedule: the cases of make_alpha_bar and noised, and what people write instead."""

import torch

from ..checks import Mistake
from .empty_cell_worked import make_alpha_bar, noised
from .randomness import seeded


def alpha_bar_cases() -> list[dict]:
    """Three schedules: this notebook's, that of the labs, and a short one."""
    cases = ((500, 2e-4, 0.04), (1000, 1e-4, 0.02), (4, 0.1, 0.4))
    return [dict(zip(("num_steps", "beta_start", "beta_end"), case)) for case in cases]


def _bar(of=lambda beta: torch.cumprod(1 - beta, dim=0), grows=torch.linspace, first=1.0):
    """make_alpha_bar with another formula, another growth of beta, or another entry at t = 0."""

    def wrong(num_steps, beta_start, beta_end):
        bar = of(grows(beta_start, beta_end, num_steps, dtype=torch.float64))
        return bar if first is None else torch.cat((bar.new_full((1,), first), bar))

    return wrong


def _one_too_many(num_steps, beta_start, beta_end):
    return torch.cumprod(1 - torch.linspace(beta_start, beta_end, num_steps + 1, dtype=torch.float64), dim=0)


def _set_to_one(num_steps, beta_start, beta_end):
    bar = _one_too_many(num_steps, beta_start, beta_end)
    bar[0] = 1
    return bar


def _mild(start, end, n, dtype):
    return torch.linspace(start**0.5, end**0.5, n, dtype=dtype).square()


def _fractions(start, end, n, dtype):
    return start + (end - start) * torch.arange(n, dtype=dtype) / n


def _fractions_from_one(start, end, n, dtype):
    return start + (end - start) * torch.arange(1, n + 1, dtype=dtype) / n


FROM_FLOAT32 = (
    "It is worked out in float32 and turned into float64 afterwards, when the digits are gone. Give linspace "
    "dtype=torch.float64."
)


def _from_float32(num_steps, beta_start, beta_end):
    bar = torch.cumprod(1 - torch.linspace(beta_start, beta_end, num_steps), dim=0)
    return torch.cat((torch.ones(1), bar)).double()


def _late(num_steps, beta_start, beta_end):
    return torch.cat((torch.ones(1).double(), make_alpha_bar(num_steps, beta_start, beta_end)[:-1]))


BAR = [
    Mistake(_bar(first=None), "alpha_bar begins at t = 1 here: T entries. Put the 1 of the clean image, "
            "t = 0, before them, so that the index is the paper's t."),
    Mistake(_bar(lambda b: 1 - b), "That is alpha, 1 − beta, of each step alone. alpha_bar is the product of "
            "all alphas up to t: torch.cumprod."),
    Mistake(_bar(lambda b: b, first=0.0), "That is beta, the noise of each step. What is left of the image "
            "is wanted: the product of all 1 − beta up to t."),
    Mistake(_bar(lambda b: torch.cumprod(b, dim=0)), "The betas themselves are multiplied. A step leaves "
            "1 − beta of the variance: take the product of these."),
    Mistake(_bar(lambda b: 1 - torch.cumsum(b, dim=0)), "The betas are added up and taken from 1, and in the "
            "end that is far below 0. Each step keeps a share of what is left: a product."),
    Mistake(_bar(lambda b: torch.cumprod(1 - b, dim=0).sqrt()), "That is the square root of alpha_bar. The "
            "root comes later, in eq. 4."),
    Mistake(_bar(lambda b: 1 - torch.cumprod(1 - b, dim=0), first=0.0), "That is 1 − alpha_bar, the share of "
            "the noise. alpha_bar is what is left of the image."),
    Mistake(_bar(first=0.0), "alpha_bar[0] is 0, which says that nothing is left of the clean image. All of "
            "it is: 1."),
    Mistake(_one_too_many, "T + 1 betas, the first of them at t = 0: the clean image gets noise. beta has T "
            "values, for t = 1 .. T, and alpha_bar[0] is 1."),
    Mistake(_set_to_one, "alpha_bar[0] is set to 1, but T + 1 betas are made, and the first, which no step "
            "uses, is still in the product of all others. Make T, and put the 1 before their product."),
    Mistake(_bar(lambda b: torch.cumprod(1 - b.flip(0), dim=0)), "beta falls here. It grows from beta_start "
            "at t = 1 to beta_end at t = T."),
    Mistake(_bar(grows=_mild), "The roots of beta are evenly spaced: the schedule of other papers. Here beta "
            "itself is (DDPM, section 4)."),
    Mistake(_bar(grows=_fractions), "beta stops one step short of beta_end: divide by T − 1, or let "
            "torch.linspace do it."),
    Mistake(_bar(grows=_fractions_from_one), "beta begins one step above beta_start: at t = 1 it is "
            "beta_start itself."),
    Mistake(_from_float32, FROM_FLOAT32),
    Mistake(_bar(lambda b: torch.cumsum(1 - b, dim=0)), "What the steps leave is added up here, and grows "
            "far beyond 1. It is multiplied: torch.cumprod."),
    Mistake(lambda *asked: make_alpha_bar(*asked).roll(-1), "The 1 stands at the end. It is the entry of "
            "t = 0, and comes first."),
    Mistake(_late, "alpha_bar is one step late: 1 stands at t = 0 and at t = 1. The product at t holds the "
            "beta of t itself."),
    Mistake(lambda *asked: make_alpha_bar(*asked).float(), "The numbers are right, in float32. Keep them in "
            "float64, dtype=torch.float64: near t = 1 you will take 1 − alpha_bar, a small difference."),
]  # fmt: skip


def noised_cases() -> list[dict]:
    """Five images and sixteen, the first and last t among them; sixteen is also their width."""
    generator, cases = seeded(3), []
    for T, n in ((500, 5), (20, 16), (500, 1)):
        x_0 = torch.rand(n, 3, 16, 16, generator=generator) * 2 - 1
        noise = torch.randn(n, 3, 16, 16, generator=generator)
        t = torch.randint(1, T + 1, (n,), generator=generator)
        t[:3] = torch.tensor([T // 3, T, 0])[:n]
        bar = make_alpha_bar(T, 0.1 / T, 20 / T if T > 20 else 0.5)
        cases.append({"alpha_bar": bar, "x_0": x_0, "t": t, "noise": noise})
    return cases


def x_t(of_image=torch.sqrt, of_noise=lambda a: (1 - a).sqrt(), pick=lambda bar, t: bar[t]):
    """noised with another factor of the image or of the noise, or another entry of alpha_bar."""

    def wrong(alpha_bar, x_0, t, noise):
        a = pick(alpha_bar, t).view(-1, 1, 1, 1)
        return of_image(a).to(x_0) * x_0 + of_noise(a).to(x_0) * noise

    return wrong


def _unshaped(alpha_bar, x_0, t, noise):
    a = alpha_bar[t].float()
    return a.sqrt() * x_0 + (1 - a).sqrt() * noise


def _own_noise(alpha_bar, x_0, t, noise):
    return noised(alpha_bar, x_0, t, torch.randn_like(x_0))


def in_float64(alpha_bar, x_0, t, noise):
    a = alpha_bar[t].view(-1, 1, 1, 1)
    return a.sqrt() * x_0 + (1 - a).sqrt() * noise


def _in_place(alpha_bar, x_0, t, noise):
    a = alpha_bar[t].view(-1, 1, 1, 1).float()
    x_0 *= a.sqrt()
    return x_0 + (1 - a).sqrt() * noise


NOISED = [
    Mistake(x_t(of_noise=lambda a: 1 - a), "The noise is multiplied by 1 − ᾱ_t; its square root is missing. "
            "This is the best known bug of all: small t get far too little noise."),
    Mistake(x_t(of_image=lambda a: a), "The image is multiplied by ᾱ_t, without its square root."),
    Mistake(x_t(lambda a: a, lambda a: 1 - a), "Both square roots are missing: √ᾱ_t and √(1 − ᾱ_t)."),
    Mistake(x_t(of_noise=lambda a: 1 - a.sqrt()), "The noise is multiplied by 1 − √ᾱ_t. The root is of the "
            "whole difference: √(1 − ᾱ_t)."),
    Mistake(x_t(lambda a: (1 - a).sqrt(), torch.sqrt), "The two factors are exchanged: at t = 0 this is "
            "pure noise, and at T the image."),
    Mistake(x_t(pick=lambda bar, t: bar[t - 1]), "alpha_bar is read at t − 1. The index is the paper's t: "
            "alpha_bar[0] is the clean image, and at t = 0 your index is negative."),
    Mistake(x_t(pick=lambda bar, t: (bar / bar.roll(1).clamp(min=bar[-1]))[t]), "That is the noise of step "
            "t alone, with α_t. All steps up to t at once take ᾱ_t."),
    Mistake(x_t(pick=lambda bar, t: torch.cumprod(bar, 0)[t]), "alpha_bar is multiplied up once more. It is "
            "the product already."),
    Mistake(x_t(pick=lambda bar, t: bar[t[:1]]), "All images get the t of the first one. Each has its own."),
    Mistake(_unshaped, "The factors (batch,) run along the last axis, the columns of a picture; with 16 "
            "images of 16 columns nothing complains. Make them (batch, 1, 1, 1), with view."),
    Mistake(x_t(of_noise=lambda a: 1.0 + 0 * a), "The noise has its full strength at each t: multiply it by "
            "√(1 − ᾱ_t)."),
    Mistake(x_t(of_image=lambda a: 1.0 + 0 * a), "The image keeps its full strength at each t: multiply it "
            "by √ᾱ_t, so that the variance stays."),
    Mistake(x_t(of_noise=lambda a: -(1 - a).sqrt()), "The noise is subtracted. Its distribution would not "
            "mind, but the loss compares with +ε: the network would learn the opposite sign."),
    Mistake(_own_noise, "It draws noise of its own. Use the one passed in: the loss compares with it."),
    Mistake(in_float64, "The values are right, but in float64, as alpha_bar is, and the network has float32 "
            "weights. Bring the factors to the images' dtype: .to(x_0.dtype)."),
    Mistake(lambda *asked: noised(*asked).clamp(-1, 1), "x_t is cut to [−1, 1]. Noise lies outside as well: "
            "it stays as it is."),
    Mistake(_in_place, "x_0 is changed on the way, and it is a training image: write a * x_0, not x_0 *= a."),
    Mistake(lambda alpha_bar, x_0, t, noise: x_0, "It gives the clean image back, without any noise."),
]  # fmt: skip
