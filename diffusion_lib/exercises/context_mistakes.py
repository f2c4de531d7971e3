"""What people write instead, in the exercises of lesson 05, and what the checks say to it."""

import torch

from ..checks import Mistake


def _draw(context, probability, generator):
    return torch.rand(len(context), 1, generator=generator, dtype=context.dtype) < probability


def _flipped(context, probability, generator):
    return context * _draw(context, probability, generator)


def _each_element(context, probability, generator):
    return context * (torch.rand(context.shape, generator=generator) >= probability)


def _whole_batch(context, probability, generator):
    return context * (torch.rand(1, generator=generator) >= probability)


def _like_dropout(context, probability, generator):
    return context * ~_draw(context, probability, generator) / (1 - probability)


def _negated(context, probability, generator):
    return -context * ~_draw(context, probability, generator)


def _in_place(context, probability, generator):
    context[_draw(context, probability, generator)[:, 0]] = 0
    return context


def _global_generator(context, probability, generator):
    return context * (torch.rand(len(context), 1) >= probability)


def _seeded(context, probability, generator):
    return context * ~_draw(context, probability, generator.manual_seed(0))


def _first_ones(context, probability, generator):
    keep = torch.arange(len(context)) >= probability * len(context)
    return context * keep[:, None]


def _gaussian(context, probability, generator):
    return context * (torch.randn(len(context), 1, generator=generator) >= probability)


def _rows_gone(context, probability, generator):
    return context[~_draw(context, probability, generator)[:, 0]]


def _mask_alone(context, probability, generator):
    return (~_draw(context, probability, generator)).float()


def _along_the_row(context, probability, generator):
    return context * (torch.rand(len(context), generator=generator) >= probability)


DROP_SAYS = {
    "along": "The draw (batch,) runs along the K entries of a row, not along the images: give it the shape "
    "(batch, 1).",
    "mask": "The result must keep the shape (batch, K), and this is the mask alone, one number for each "
    "image: multiply the context by it.",
    "in place": "The caller's context is changed on the way: next epoch, these labels are gone. Return "
    "a new tensor.",
    "rows gone": "The result must keep the shape (batch, K): a dropped context is a row of zeros, not a "
    "missing row.",
    "negated": "The rows that stay are negated: the mask that multiplies them must be 1, not -1.",
    "rescaled": "The rows that stay are divided by 1 - probability, as nn.Dropout does. A label is no "
    "activation: one that stays must stay as it is.",
    "element": "Single entries are dropped, and a row loses part of its wish. Draw one number for each "
    "image.",
    "whole batch": "All images of a batch lose their context together, or none does: draw one number "
    "for each image.",
    "flipped": "The mask is the wrong way round: as many are kept as should be dropped. 1 = keep is "
    "torch.rand(...) >= probability.",
    "first": "Always the first images are dropped, without a draw: the same ones can be unlucky every time.",
    "seeded": "Two calls in a row drop the same images: the generator is seeded anew inside. Only draw "
    "from it.",
    "global": "The generator is not used: another seed of it drops the same images. Pass it to torch.rand.",
    "gaussian": "The share is wrong: with torch.randn a number is below 0.2 in 58 of 100 draws. The "
    "draw must be "
    "uniform, torch.rand.",
}

DROP = [
    Mistake(_in_place, DROP_SAYS["in place"]),
    Mistake(_along_the_row, DROP_SAYS["along"]),
    Mistake(_mask_alone, DROP_SAYS["mask"]),
    Mistake(_rows_gone, DROP_SAYS["rows gone"]),
    Mistake(_negated, DROP_SAYS["negated"]),
    Mistake(_like_dropout, DROP_SAYS["rescaled"]),
    Mistake(_each_element, DROP_SAYS["element"]),
    Mistake(_whole_batch, DROP_SAYS["whole batch"]),
    Mistake(_flipped, DROP_SAYS["flipped"]),
    Mistake(_first_ones, DROP_SAYS["first"]),
    Mistake(_seeded, DROP_SAYS["seeded"]),
    Mistake(_global_generator, DROP_SAYS["global"]),
    Mistake(_gaussian, DROP_SAYS["gaussian"]),
]


def _mask_in_place(context, drop):
    context *= (1 - drop)[:, None]
    return context


MASK = [
    Mistake(
        lambda context, drop: context * (-1 * (1 - drop))[:, None],
        "The rows that stay are still negated: -1 * (1 - drop) is 0 where it drops and -1 where it keeps.",
    ),
    Mistake(
        lambda context, drop: context * drop[:, None],
        "The rows to drop are kept, and those to keep are dropped: here drop = 1 means drop.",
    ),
    Mistake(
        lambda context, drop: -context * drop[:, None],
        "Two faults are left: the rows to drop are the ones that stay, and they are negated.",
    ),
    Mistake(
        lambda context, drop: context * (1 - drop),
        "The mask (batch,) runs along the K entries of a row, not along the images; only batch = K hides it.",
    ),
    Mistake(
        lambda context, drop: (context * (-1 * (1 - drop))[:, None]).abs(),
        "abs() mends a one-hot row, but a context may have negative entries, and these are lost.",
    ),
    Mistake(
        lambda context, drop: context - drop[:, None],
        "Subtracting puts -1 into the dropped rows: zero them, by multiplying.",
    ),
    Mistake(
        lambda context, drop: context * (1 - drop)[:, None] / (1 - drop).mean(),
        "The rows that stay are made larger to make up for the others, as nn.Dropout does: leave them alone.",
    ),
    Mistake(
        lambda context, drop: context[drop == 0],
        "The dropped rows are gone, and the batch no longer fits its images: they must become zeros.",
    ),
    Mistake(
        _mask_in_place, "The caller's context is changed, and its labels are lost: work on a new tensor."
    ),
]


def _as_column(weights, like):
    return weights.view(-1, *[1] * (like.ndim - 1))


def _difference(without, with_contexts, weights):
    return (_as_column(weights, with_contexts) * (with_contexts - without)).sum(dim=0)


def _combine_in_place(without, with_contexts, weights):
    without += _difference(without, with_contexts, weights)
    return without


COMBINE = [
    Mistake(
        lambda without, with_contexts, weights: (
            (_as_column(weights, with_contexts) * with_contexts).sum(dim=0)
        ),
        "That is the weighted sum of the predictions themselves. What is weighted is the difference of "
        "each to "
        "the prediction without context.",
    ),
    Mistake(
        lambda without, with_contexts, weights: (
            without + (_as_column(weights, with_contexts) * with_contexts).sum(dim=0)
        ),
        "The prediction without context is added, but not subtracted from each of the others first.",
    ),
    Mistake(
        lambda without, with_contexts, weights: without + _difference(without, with_contexts, 1 + weights),
        "1 + w stands where w belongs: that is the paper's way to count. Here weight 1 is plain "
        "conditioning.",
    ),
    Mistake(
        lambda without, with_contexts, weights: without - _difference(without, with_contexts, weights),
        "The sign is the wrong way round: it leads away from each context. Subtract `without` from "
        "`with_contexts`.",
    ),
    Mistake(
        lambda without, with_contexts, weights: (
            without + _difference(without, with_contexts, weights) / len(weights)
        ),
        "The differences are averaged; each wish is to count in full, so take their sum.",
    ),
    Mistake(
        lambda without, with_contexts, weights: (
            len(weights) * without + _difference(without, with_contexts, weights)
        ),
        "The prediction without context is in the sum once for each wish. It belongs there once.",
    ),
    Mistake(
        lambda without, with_contexts, weights: (
            without + weights.sum() * (with_contexts.mean(dim=0) - without)
        ),
        "All wishes get the same weight: the predictions are averaged before the weights come. Weight "
        "each one.",
    ),
    Mistake(
        lambda without, with_contexts, weights: (
            without + _difference(without, with_contexts, weights / weights.sum())
        ),
        "The weights are divided by their sum. They are no shares: two wishes of weight 2 are both "
        "amplified.",
    ),
    Mistake(
        lambda without, with_contexts, weights: (
            without + (weights * (with_contexts - without)).sum(dim=0)
        ),
        "The weights (K,) run along the last axis, the pixels of a row: give them the shape (K, 1, 1, "
        "1, 1) first.",
    ),
    Mistake(
        _combine_in_place,
        "`without` is changed on the way, and the caller still needs it: write a + b, not a += b.",
    ),
]  # fmt: skip
