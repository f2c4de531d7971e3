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


def counted(seen: list[int], names) -> str:
    """How often each class was seen, the most frequent first: "hero 3, food 1"."""
    return ", ".join(f"{names[which]} {count}" for which, count in Counter(seen).most_common())


def asked_class(context: Tensor | None, count: int) -> list[int] | None:
    """The one class that each of `count` images was asked to be; None if a context is a mixture or empty."""
    if context is None:
        return None
    context = context.detach().cpu().expand(count, -1) if context.ndim == 1 else context.detach().cpu()
    if not bool(((context != 0).sum(dim=1) == 1).all()) or bool((context < 0).any()):
        return None
    return torch.argmax(context, dim=1).tolist()
