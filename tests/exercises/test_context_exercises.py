"""Lesson 05's exercises: right answers in other words, and wrong ones that the shared tests do not hold."""

import pytest
import torch

from diffusion_lib.exercises import context as exercises


def verdict(exercise, answer):
    found = exercise.judge(answer)
    return found.status, found.text


# Masking: written in other ways.


def mask_where(context, drop):
    return torch.where(drop[:, None] == 1, torch.zeros_like(context), context)


def mask_fill(context, drop):
    return context.masked_fill(drop.bool().unsqueeze(1), 0.0)


def mask_clone(context, drop):
    result = context.clone()
    result[drop == 1] = 0
    return result


def mask_repeat(context, drop):
    """The labs' own line with its sign mended."""
    drop = drop[:, None].repeat(1, context.shape[1])
    return context * (-1 * (drop - 1))


def mask_einsum(context, drop):
    return torch.einsum("bk,b->bk", context, 1 - drop)


@pytest.mark.parametrize("answer", [mask_where, mask_fill, mask_clone, mask_repeat, mask_einsum])
def test_other_right_masks(answer):
    assert verdict(exercises.masked_context, answer)[0] == "right"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda context, drop: context, "Wrong values"),
        (lambda context, drop: (context * (1 - drop)[:, None]).float(), "Wrong dtype"),
        (lambda context, drop: (context * (1 - drop)[:, None]).T, "Wrong shape"),
        (lambda context, drop: context * ~drop[:, None], "It stopped with"),
    ],
)
def test_other_wrong_masks(answer, says):
    status, text = verdict(exercises.masked_context, answer)
    assert status in ("wrong", "crashed") and says in text


# Dropping: written in other ways. Each uses the generator in its own manner.


def drop_bernoulli(context, probability, generator):
    keep = torch.full((len(context), 1), 1 - probability, dtype=context.dtype)
    return context * torch.bernoulli(keep, generator=generator)


def drop_clone(context, probability, generator):
    result = context.clone()
    result[torch.rand(len(context), generator=generator) < probability] = 0
    return result


def drop_where(context, probability, generator):
    keep = torch.rand(context.shape[0], generator=generator).unsqueeze(1) > probability
    return torch.where(keep, context, 0.0)


def drop_rand_like_column(context, probability, generator):
    column = torch.empty(len(context), 1, dtype=torch.float64)
    return context * (column.uniform_(generator=generator) >= probability).to(context.dtype)


def drop_loop(context, probability, generator):
    rows = [row if torch.rand(1, generator=generator) >= probability else row * 0 for row in context]
    return torch.stack(rows)


@pytest.mark.parametrize("answer", [drop_bernoulli, drop_clone, drop_where, drop_rand_like_column, drop_loop])
def test_other_right_ways_to_drop(answer):
    status, text = verdict(exercises.drop_context, answer)
    assert status == "right", text


def drop_fixed_number(context, probability, generator):
    """Always the rounded-down share, whichever rows: never one of a batch of three."""
    result = context.clone()
    result[torch.randperm(len(context), generator=generator)[: int(probability * len(context))]] = 0
    return result


def drop_half(context, probability, generator):
    return context * torch.randint(0, 2, (len(context), 1), generator=generator)


def drop_added(context, probability, generator):
    return (context + 1) * (torch.rand(len(context), 1, generator=generator) >= probability)


def drop_as_float32(context, probability, generator):
    return (context * (torch.rand(len(context), 1, generator=generator) >= probability)).float()


def drop_nothing_at_one(context, probability, generator):
    return context * (torch.rand(len(context), 1, generator=generator) >= min(probability, 0.5))


def drop_mask_alone(context, probability, generator):
    return torch.rand(len(context), 1, generator=generator) >= probability


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (drop_fixed_number, "in batches of three"),
        (drop_half, "% of the contexts were dropped in 4,000 images"),
        (drop_added, "must be what they were"),
        (drop_as_float32, "float64 context"),
        (drop_nothing_at_one, "With probability 1"),
        (drop_mask_alone, "keep the shape"),
        (lambda context, probability, generator: context, "Nothing is dropped"),
        (lambda context, probability, generator: [context], "A tensor (batch, K) is wanted, got list"),
    ],
)
def test_other_wrong_ways_to_drop(answer, says):
    status, text = verdict(exercises.drop_context, answer)
    assert status == "wrong" and says in text, text


def test_the_reference_drops_the_right_share_whatever_the_size():
    generator = torch.Generator().manual_seed(0)
    dropped = torch.cat(
        [exercises.drop_context.reference(torch.ones(7, 3), 0.1, generator) for _ in range(1000)]
    )
    share = (dropped == 0).all(dim=1).float().mean().item()
    assert abs(share - 0.1) < 0.02


# Two wishes: written in other ways.


def combine_loop(without, with_contexts, weights):
    result = without.clone()
    for with_context, weight in zip(with_contexts, weights):
        result += weight * (with_context - without)
    return result


def combine_einsum(without, with_contexts, weights):
    return without + torch.einsum("k,kbchw->bchw", weights, with_contexts - without)


def combine_tensordot(without, with_contexts, weights):
    return without + torch.tensordot(weights, with_contexts - without[None], dims=1)


def combine_gathered(without, with_contexts, weights):
    pulled = (weights[:, None, None, None, None] * with_contexts).sum(0)
    return (1 - weights.sum()) * without + pulled


@pytest.mark.parametrize("answer", [combine_loop, combine_einsum, combine_tensordot, combine_gathered])
def test_other_right_ways_to_combine(answer):
    assert verdict(exercises.combined_noise, answer)[0] == "right"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda without, with_contexts, weights: without, "Wrong values"),
        (lambda without, with_contexts, weights: with_contexts - without, "Wrong shape"),
        (lambda without, with_contexts, weights: without + weights @ with_contexts, "It stopped with"),
    ],
)
def test_other_wrong_ways_to_combine(answer, says):
    status, text = verdict(exercises.combined_noise, answer)
    assert status in ("wrong", "crashed") and says in text, text


# Choices and the number.


@pytest.mark.parametrize("exercise", [exercises.weight_zero, exercises.weight_grows])
def test_choices_take_capitals_and_refuse_other_letters(exercise):
    assert verdict(exercise, " B ")[0] == "right"
    assert verdict(exercise, "e")[1].startswith("The answer must be one of 'a', 'b', 'c', 'd'")


@pytest.mark.parametrize("answer", [1.5, 3 / 2, torch.tensor(1.5), "1.5"])
def test_the_weight_in_any_type(answer):
    assert verdict(exercises.paper_weight, answer)[0] == "right"


def test_wrong_weights():
    assert "0 for plain conditioning" in verdict(exercises.paper_weight, 2.5)[1]
    assert "smaller than the weight here" in verdict(exercises.paper_weight, 3.5)[1]
    assert verdict(exercises.paper_weight, 7) == ("wrong", "7 is too large.")
