"""The exercise on context dropout, lesson 05: its reference, its test, and what people write instead."""

import random

import torch
from torch import Tensor

from ..checks import Mistake
from .randomness import fault_of_draws, seeded


def drop_context(context: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """The context (batch, K), each row zeroed with this probability."""
    keep = torch.rand(len(context), 1, generator=generator) >= probability  # 1 = keep
    return context * keep


def test(answer) -> str | None:
    """The first thing wrong with a function that drops contexts, in a sentence; None if there is nothing."""
    generator, p = seeded(1), 0.2
    context = torch.rand(4000, 5, generator=generator) + 0.5  # dense rows: part of one can be missing
    before = context.clone()
    try:
        got = answer(context, p, seeded(0))
    except RuntimeError as error:
        if "must match the size" in str(error):
            return DROP_SAYS["along"]
        raise
    if not isinstance(got, Tensor):
        return f"A tensor (batch, K) is wanted, got {type(got).__name__}."
    if not torch.equal(context, before):
        return DROP_SAYS["in place"]
    if got.shape != context.shape:
        return DROP_SAYS["mask" if got.shape[:1] == context.shape[:1] else "rows gone"]
    if got.dtype != context.dtype:
        return f"The result must keep the context's dtype, {context.dtype}, and is {got.dtype}."
    zero = (got == 0).float().mean(dim=1)
    dropped, share = zero == 1, (zero == 1).float().mean().item()
    if bool(((zero > 0) & (zero < 1)).any()):
        return DROP_SAYS["element"]
    kept, whole = got[~dropped], context[~dropped]
    if len(kept) and torch.allclose(kept, -whole):
        return DROP_SAYS["negated"]
    if len(kept) and torch.allclose(kept, whole / (1 - p)):
        return DROP_SAYS["rescaled"]
    if len(kept) and not torch.equal(kept, whole):
        return "The rows that stay have changed: they must be what they were, to the last bit."
    if share == 0:
        generator = seeded(3)
        if all(torch.equal(answer(context[:3], p, generator), context[:3]) for _ in range(40)):
            return DROP_SAYS["nothing"]
    if share in (0, 1):
        return DROP_SAYS["whole batch"]
    if abs(share - (1 - p)) < 0.04:
        return DROP_SAYS["flipped"]
    if bool(dropped[: int(dropped.sum())].all()):
        return DROP_SAYS["first"]
    return _test_draws(answer, context, p, dropped, share)


def _test_draws(answer, context: Tensor, p: float, dropped: Tensor, share: float) -> str | None:
    """Does it draw afresh each time, from the generator that it gets, for small batches and any p?"""
    if fault := fault_of_draws(lambda generator: answer(context, p, generator)):
        return DROP_SAYS[fault]
    generator = seeded(2)
    if abs(share - 0.579) < 0.03:  # a normal number below p = 0.2
        return DROP_SAYS["gaussian"]
    small = torch.cat([answer(context[:3], p, generator) for _ in range(400)])
    for name, got in (("4,000 images", dropped), ("batches of three", (small == 0).all(dim=1))):
        share = got.float().mean().item()
        if abs(share - p) > 0.04:
            return f"With probability {p}, {share:.0%} of the contexts were dropped in {name}."
    if not torch.equal(answer(context, 0.0, generator), context):
        return "With probability 0 no context may be dropped, and none changed."
    if bool(answer(context, 1.0, generator).any()):
        return "With probability 1 each context must become a row of zeros."
    double = context[:8].double()
    if answer(double, p, generator).dtype != torch.float64:
        return "The result must keep the context's dtype: a float64 context came back as another type."
    return None


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


def _copy_lost(context, probability, generator):
    context.masked_fill(_draw(context, probability, generator), 0)
    return context


def _pythons(context, probability, generator):
    return context * torch.tensor([random.random() >= probability for _ in context])[:, None]


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
    "nothing": "Nothing is dropped: the context comes back as it was. Is the changed copy what you return?",
    "seeded": "Two calls in a row drop the same images: the generator is seeded anew inside. Only draw "
    "from it.",
    "global": "The generator is not used: another seed of it drops the same images. Pass it to torch.rand.",
    "elsewhere": "Two generators of one seed drop different images: does NumPy or Python draw?",
    "gaussian": "The share is wrong: with torch.randn a number is below 0.2 in 58 of 100 draws. The draw "
    "must be uniform, torch.rand.",
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
    Mistake(_copy_lost, DROP_SAYS["nothing"]),
    Mistake(_pythons, DROP_SAYS["elsewhere"]),
    Mistake(_gaussian, DROP_SAYS["gaussian"]),
]
