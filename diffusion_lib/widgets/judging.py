"""What the course's classifier says of samples, for the widgets that ask it."""

from collections import Counter

import torch
from torch import Tensor, nn

from ..metrics import load_classifier, predict_classes
from ..sprites import CLASS_NAMES


def class_names_for(model: nn.Module) -> tuple[str, ...]:
    """The sprites' class names for a model that draws sprites, else class 0, class 1 ..."""
    if draws_sprites(model):
        return CLASS_NAMES
    return tuple(f"class {i}" for i in range(model.n_cfeat))


def draws_sprites(model: nn.Module) -> bool:
    """Whether the model has the sprites' size, colours and number of classes."""
    return (model.in_channels, model.n_cfeat, model.height) == (3, len(CLASS_NAMES), 16)


def judge_for(model: nn.Module):
    """The shipped classifier for a model that draws sprites, else None."""
    return load_classifier() if draws_sprites(model) else None


def verdicts(judge, images: Tensor) -> list[int]:
    """The class that the judge sees in each image (N, C, H, W); an empty list without a judge."""
    if judge is None:
        return []
    return predict_classes(judge, images.detach().float().cpu().nan_to_num()).tolist()


def check_judge(judge, model: nn.Module) -> None:
    """ValueError for a judge that tells apart another number of classes than the model has."""
    if judge is None:
        return
    with torch.no_grad():
        scores = judge(torch.zeros(1, model.in_channels, model.height, model.height))
    if scores.shape != (1, model.n_cfeat):
        raise ValueError(
            f"judge must give (N, {model.n_cfeat}) scores, one for each class of the model, got "
            f"{tuple(scores.shape)} for one image"
        )


def counted(seen: list[int], names) -> str:
    """How often each class was seen, the most frequent first: "hero 3, food 1"."""
    return ", ".join(f"{names[which]} {count}" for which, count in Counter(seen).most_common())


def short_names(names) -> list[str]:
    """What stands behind the slash, for "food/apple" the apple, or all where two would be called alike."""
    ends = [name.rpartition("/")[2] for name in names]
    return [end if ends.count(end) == 1 else name for name, end in zip(names, ends)]


def asked_class(context: Tensor | None, count: int) -> list[int] | None:
    """The one class that each of `count` images was asked to be; None if a context is a mixture or empty."""
    if context is None:
        return None
    context = context.detach().cpu().expand(count, -1) if context.ndim == 1 else context.detach().cpu()
    if not bool(((context != 0).sum(dim=1) == 1).all()) or bool((context < 0).any()):
        return None
    return torch.argmax(context, dim=1).tolist()
