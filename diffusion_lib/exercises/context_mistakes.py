"""What people write instead, in the exercises of lesson 05, and what the checks say to it."""

from ..checks import Mistake


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


def _without_brackets(without, with_contexts, weights):
    return without + (_as_column(weights, with_contexts) * with_contexts - without).sum(dim=0)


def _first_alone(without, with_contexts, weights):
    return without + weights[0] * (with_contexts[0] - without)


def _summed_weights(without, with_contexts, weights):
    return without + weights.sum() * (with_contexts - without).sum(dim=0)


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
        lambda without, with_contexts, weights: _difference(without, with_contexts, weights),
        "The prediction without context is missing: the differences are added to it.",
    ),
    Mistake(
        _without_brackets,
        "Brackets are missing: each weight multiplies the whole difference, w * (with - without).",
    ),
    Mistake(
        lambda without, with_contexts, weights: without + _difference(without, with_contexts, weights - 1),
        "w − 1 stands where w belongs: at weight 1 a wish is to count once, as in plain conditioning.",
    ),
    Mistake(
        lambda without, with_contexts, weights: without + (
            weights.view(-1, 1, 1, 1) * (with_contexts - without)
        ).sum(dim=0),
        "The weights need five axes, (K, 1, 1, 1, 1): with four they line up with the images of the batch.",
    ),
    Mistake(
        lambda without, with_contexts, weights: without + weights[-1] * (with_contexts[-1] - without),
        "Only the last wish counts: each difference must be added to what is there already.",
    ),
    Mistake(
        lambda without, with_contexts, weights: (
            (1 + _as_column(weights, with_contexts)) * with_contexts
            - _as_column(weights, with_contexts) * without
        ).sum(dim=0),
        "That is the paper's form, for one wish, summed: `without` is then in the sum once for each wish, "
        "and 1 + w stands where w belongs.",
    ),
    Mistake(_first_alone, "Only the first wish counts: is the `return` inside the loop?"),
    Mistake(_summed_weights, "Each difference gets the sum of all weights: first multiply, then sum."),
    Mistake(
        _combine_in_place,
        "`without` is changed on the way, and the caller still needs it: write a + b, not a += b.",
    ),
]  # fmt: skip
