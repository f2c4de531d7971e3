"""The exercises of lesson 05: dropping the context, mending the mask, weights, and two wishes at once."""

import torch
from torch import Tensor

from ..checks import ChoiceExercise, FunctionExercise, NumberExercise, PropertyExercise
from . import context_dropout
from . import context_mistakes as known

weight_zero = ChoiceExercise(
    "context.weight_zero",
    options={
        "a": "heroes, only less clear ones",
        "b": "what it draws without any context: sprites of all classes",
        "c": "grey pictures: a weight of 0 switches the network off",
        "d": "the opposite of heroes: everything but them",
    },
    answer="b",
    why={
        "a": "Less clear heroes would come from a weight between 0 and 1. At 0 the difference that the "
        "context makes is multiplied by 0, and nothing of it is left.",
        "c": "The weight multiplies the difference of two predictions alone. The prediction without context "
        "stands before it and stays.",
        "d": "Away from heroes leads a weight below 0. At 0 the context has no say, for or against.",
    },
    right="With w = 0 only the prediction without context is left, so no vector can change the picture.",
    hints=(
        "Put w = 0 into the equation of section 3. Which of the two predictions is left?",
        "What is left is the prediction with the null context. What has the network learned to draw "
        "from that?",
    ),
    difficulty=1,
    minutes=2,
)

weight_grows = ChoiceExercise(
    "context.weight_grows",
    options={
        "a": "the judge agrees more often, and the more weight, the nearer the sprites come to real ones",
        "b": "the judge agrees more often, and the sprites come nearer to real ones at first, then go away "
        "from them",
        "c": "nothing: weight 1 already draws from the right distribution",
        "d": "the judge agrees less often, and the sprites go away from real ones",
    },
    answer="b",
    why={
        "a": "At first that is so; then there is a price. The push goes to where the class is plain: the "
        "unusual sprites of a class, which lie near another one, are left out, and far on so is all data.",
        "c": "With an exact network weight 1 would be all one needs. A small network is not exact: it may "
        "heed the context too little, and a larger weight makes up for that. (Another reason comes below.)",
        "d": "A weight below 1 does that. Above 1 the difference that the context makes is amplified.",
    },
    right="Some of it helps a network that is not exact; more of it costs variety, at first very little, and "
    "far beyond, pictures leave the data altogether.",
    hints=(
        "Look at the toy again: where did the points of weight 4 lie within their island, and how "
        "widely spread?",
        "The push grows with p(c | x): towards plain cases of the class, away from doubtful ones.",
    ),
    difficulty=1,
    minutes=2,
)

paper_weight = NumberExercise(
    "context.paper_weight",
    1.5,
    tolerance=1e-6,
    mistakes=[
        known.Mistake(
            2.5, "The paper's w is 0 for plain conditioning, this course's weight is 1: they differ."
        ),
        known.Mistake(3.5, "The wrong way: the paper's w is smaller than the weight here, not larger."),
        known.Mistake(-1.5, "Too far: plain conditioning, weight 1 here, is w = 0 there."),
    ],
    right="(1 + w) ε(x, c) − w ε(x, ∅) = ε(x, ∅) + (1 + w) (ε(x, c) − ε(x, ∅)), so 1 + w = weight = 2.5.",
    hints=(
        "Write both formulas as: something times ε(x, c) plus something times ε(x, ∅).",
        "Here ε(x, c) is multiplied by the weight itself. And there?",
    ),
    solution="w = weight - 1 = 1.5",
    difficulty=1,
    minutes=3,
)


def masked_context(context: Tensor, drop: Tensor) -> Tensor:
    """The context (batch, K) with rows of zeros where drop (batch,) is 1."""
    return context * (1 - drop)[:, None]


def _mask_cases() -> list[dict]:
    generator, cases = torch.Generator().manual_seed(0), []
    for batch, K, dtype in ((6, 5, torch.float32), (5, 5, torch.float32), (3, 2, torch.float64)):
        context = torch.randn(batch, K, generator=generator, dtype=dtype)  # any vector, not one-hot alone
        drop = torch.tensor([1, 0, 0, 1, 0, 0], dtype=dtype)[:batch]
        cases.append({"context": context, "drop": drop})
    return cases


masked_context = FunctionExercise(
    "context.masked_context",
    masked_context,
    _mask_cases,
    mistakes=known.MASK,
    right="Rows with drop = 1 are zeros and the others are as they were, in three sizes, batch = K "
    "among them.",
    hints=(
        "Work out the factor by hand: what is -1 * (1 - drop) for drop = 1, and what for drop = 0?",
        "The factor must be 0 for drop = 1 and 1 for drop = 0.",
    ),
    difficulty=2,
    minutes=5,
)


drop_context = PropertyExercise(
    "context.drop_context",
    context_dropout.drop_context,
    context_dropout.test,
    mistakes=context_dropout.DROP,
    right="Whole rows, the right share of them, drawn from the generator that was passed; the others "
    "unchanged.",
    hints=(
        "One uniform number for each image decides about its whole row: which shape must the draw have?",
        "torch.rand(batch, 1, generator=generator) >= probability is True, that is 1, for the rows to keep.",
    ),
    difficulty=2,
    minutes=8,
)


def combined_noise(without: Tensor, with_contexts: Tensor, weights: Tensor) -> Tensor:
    """Guidance by K wishes at once, each with its own weight."""
    weights = weights.view(-1, 1, 1, 1, 1)  # (K, 1, 1, 1, 1)
    return without + (weights * (with_contexts - without)).sum(dim=0)


def _combine_cases() -> list[dict]:
    generator, cases = torch.Generator().manual_seed(0), []
    for K, shape, dtype in (
        (2, (4, 3, 8, 8), torch.float32),
        (3, (3, 3, 3, 3), torch.float32),  # here a weight along any axis gives no error
        (1, (1, 1, 4, 4), torch.float64),
    ):
        without = torch.randn(shape, generator=generator, dtype=dtype)
        with_contexts = torch.randn(K, *shape, generator=generator, dtype=dtype)
        weights = torch.tensor([1.5, -0.5, 3.0], dtype=dtype)[:K]
        cases.append({"without": without, "with_contexts": with_contexts, "weights": weights})
    return cases


combined_noise = FunctionExercise(
    "context.combined_noise",
    combined_noise,
    _combine_cases,
    mistakes=known.COMBINE,
    right="One, two and three wishes, a negative weight among them, also where every axis has the same "
    "length.",
    hints=(
        "with_contexts - without gives all K differences at once: without is broadcast along the first axis.",
        "Bring the weights to the shape (K, 1, 1, 1, 1), multiply, and sum over the first axis.",
        "without + (weights.view(-1, 1, 1, 1, 1) * (with_contexts - without)).sum(dim=0)",
    ),
    difficulty=3,
    minutes=8,
)
