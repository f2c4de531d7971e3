"""Notebook 08, guidance: the cases of guided_noise, and what people write instead."""

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ..checks import FunctionExercise, Mistake, Verdict
from .empty_cell_worked import guided_noise
from .randomness import seeded


class WrongTime(ValueError):
    pass


class WrongContext(ValueError):
    pass


class _Echo(nn.Module):
    """Its answer depends on x, t and c, and it wants its t as the network of step 3 does."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))  # one may ask a network's weights for their device

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        if not isinstance(t, Tensor) or t.shape != (len(x),):
            given = f"shape {tuple(t.shape)}" if isinstance(t, Tensor) else f"a {type(t).__name__}"
            raise WrongTime(f"the network wants t as a tensor with an entry for each image, got {given}")
        if not isinstance(c, Tensor) or c.shape != (len(x), 5):
            given = f"shape {tuple(c.shape)}" if isinstance(c, Tensor) else f"a {type(c).__name__}"
            raise WrongContext(f"the network wants c as a tensor (batch, 5), zeros for no class, got {given}")
        told = c @ torch.arange(1.0, c.shape[1] + 1).to(c)
        return torch.tanh(x + told.view(-1, 1, 1, 1)) * torch.cos(2 * t).view(-1, 1, 1, 1)


def guided_cases() -> list[dict]:
    """Weights 0, 1, between and beyond, two T, and two sizes of the batch."""
    generator, cases = seeded(4), []
    for n, t, T, weight in ((4, 300, 500, 2.0), (3, 7, 20, 0.5), (1, 20, 20, 1.0), (2, 1, 500, 0.0)):
        c = torch.eye(5)[torch.randint(5, (n,), generator=generator)]
        x = torch.randn(n, 3, 16, 16, generator=generator)
        cases.append({"network": _Echo(), "x": x, "t": t, "T": T, "c": c, "weight": weight})
    return cases


class _Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return self.weights(x)


class WithoutGradients(FunctionExercise):
    """A FunctionExercise whose answer's result must carry no gradient although the network has weights."""

    def _judge(self, answer) -> Verdict:
        verdict, case = super()._judge(answer), self.cases()[0]
        if verdict.status == "right":
            case["network"] = _Linear()
            if answer(*case.values()).requires_grad:
                return Verdict("wrong", WITH_GRADIENTS)
        return verdict


WITH_GRADIENTS = (
    "The numbers are right, but the result carries gradients: over a whole run all steps would be kept in "
    "memory. Ask the network under `with torch.no_grad():`."
)


def _guided(
    mix=lambda none, told, w: none + w * (told - none), told=lambda t, T: t / T,
    nothing=torch.zeros_like, under=torch.no_grad,
):  # fmt: skip
    """guided_noise with another mixture of the two predictions, another time, or another no class."""

    def wrong(network, x, t, T, c, weight):
        t = torch.full((len(x),), told(t, T))
        with under():
            return mix(network(x, t, nothing(c)), network(x, t, c), weight)

    return wrong


def _scaled_context(network, x, t, T, c, weight):
    return guided_noise(network, x, t, T, weight * c, 1.0)


GUIDED = [
    Mistake(_guided(lambda none, told, w: none + (1 + w) * (told - none)), "1 + w stands where w belongs: "
            "the paper counts so. Here weight 1 is the plain prediction with context."),
    Mistake(_guided(lambda none, told, w: none + w * (none - told)), "It goes away from the context: the "
            "difference is that of with context minus without."),
    Mistake(_guided(lambda none, told, w: told + w * (none - told)), "The two are exchanged: weight 1 is the "
            "prediction without context here, and it must be the one with it."),
    Mistake(_guided(lambda none, told, w: w * (told - none)), "The prediction without context is missing: "
            "the weighted difference is added to it."),
    Mistake(_guided(lambda none, told, w: none + w * told), "The whole prediction with context is added. "
            "Only its difference to the one without is weighted."),
    Mistake(_guided(lambda none, told, w: told), "The weight is not used: this is the plain prediction with "
            "context."),
    Mistake(_guided(lambda none, told, w: w * told), "The prediction with context is made w times as large. "
            "What is weighted is its difference to the one without."),
    Mistake(_guided(lambda none, told, w: none + (w - 1) * (told - none)), "w − 1 stands where w belongs: "
            "weight 1 is the plain prediction with context."),
    Mistake(_guided(told=lambda t, T: float(t)), "The network is told the step t "
            "itself. It wants t / T, as in training."),
    Mistake(_guided(told=lambda t, T: t / 500), "t is divided by 500. Divide by "
            "the argument T."),
    Mistake(_guided(told=lambda t, T: (t - 1) / T), "The network is told "
            "(t − 1) / T. In training it was t / T."),
    Mistake(_guided(told=lambda t, T: 1 - t / T), "The time is turned round: "
            "t / T is 1 at the noisiest step."),
    Mistake(_guided(told=lambda t, T: t // T), "t // T is the whole part, 0 for "
            "all t below T. Write t / T."),
    Mistake(_guided(nothing=lambda c: None), "This network knows no None: no class is zeros, "
            "torch.zeros_like(c)."),
    Mistake(_guided(nothing=torch.ones_like), "For no class the network is given ones. It knows no class as "
            "zeros."),
    Mistake(_guided(under=nullcontext), WITH_GRADIENTS),
    Mistake(_scaled_context, "The context itself is multiplied by the weight, which the network never saw in "
            "training. Ask twice, and weight the difference of the answers."),
    Mistake(lambda network, x, t, T, c, weight: network(x, t / T, c), "The network wants t / T as a tensor "
            "with an entry for each image, as in training: torch.full((len(x),), t / T)."),
]  # fmt: skip
