"""A trained network made wider, or given other classes, so that it need not begin from nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .emphasis import CONTEXT_WEIGHTS
from .unet import ContextUnet


@torch.no_grad()
def widen(model: ContextUnet, generator: torch.Generator | None = None) -> ContextUnet:
    """The same function with twice the channels (after Net2WiderNet: Chen et al. 2016, arXiv 1511.05641).

    Each channel stands twice, side by side, so that every group of GroupNorm keeps its statistics. What
    read the one now reads both: its weight w is shared out as r * w and (1 - r) * w, with r drawn from
    0 .. 1 for each weight. Equal shares, as there, would get equal gradients, and the two would stay one
    for ever, without the noise that parts them there.
    """
    wide = ContextUnet(**(model.config | {"n_feat": 2 * model.n_feat})).to(next(model.parameters()))
    modules = dict(model.named_modules())
    for name, module in wide.named_modules():
        # A transposed convolution has its inputs first; the others, and Linear, have them second.
        inputs = 0 if isinstance(module, nn.ConvTranspose2d) else 1
        own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        for key, target in own.items():
            target.copy_(_doubled(getattr(modules[name], key), target.shape, inputs, generator))
    return wide.train(model.training)


def with_classes(model: ContextUnet, old_places: Sequence[int | None]) -> ContextUnet:
    """A network with other classes: class i begins as the model's class old_places[i], None as no class.

    The context's first weights, (channels, classes), hold a column for each class. The new network takes the
    column of the class that each of its own begins as, and zeros for None; all else is as it was. So it
    predicts for a new class what the model predicts for the old one, or without a class, until training
    tells them apart. Raises ValueError if old_places is empty or names a class that the model has not.
    """
    for i in old_places:
        if i is not None and not 0 <= i < model.n_cfeat:
            raise ValueError(f"old_places must hold classes 0 .. {model.n_cfeat - 1} or None, got {i}")
    other = ContextUnet(**(model.config | {"n_cfeat": len(old_places)}))
    weights = model.state_dict()
    for name in CONTEXT_WEIGHTS:
        old = weights[name]  # (channels, old classes)
        none = torch.zeros(len(old), dtype=old.dtype, device=old.device)
        columns = [none if i is None else old[:, i] for i in old_places]
        weights[name] = torch.stack(columns, dim=1)  # (channels, new classes)
    other.to(next(model.parameters())).load_state_dict(weights)
    return other.train(model.training)


def begin_as(names: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """Which of the `known` classes each name begins as: that of the same name, or of its part before a slash.

    "food/apple" begins as "food/apple" if that is known, else as "food"; None if neither is.
    """
    places = {name: i for i, name in enumerate(known)}
    return [places.get(name, places.get(name.partition("/")[0])) for name in names]


def load_from(old: ContextUnet, known: Sequence[str], model: ContextUnet, names: Sequence[str]) -> str:
    """Gives `model`, whose classes have these names, the weights of an old one as wide or half as wide.

    Each class begins as the class of the old one, among the `known`, that begin_as finds for its name. Where
    nothing is known of these, as in older files, the classes stay in their places. Returns a sentence that
    says how the classes begin. Raises ValueError for a model of other images, of another width, or of
    another number of classes without names.
    """
    widths, sizes = (model.n_feat, model.n_feat / 2), ("in_channels", "height")
    if old.n_feat not in widths or any(old.config[key] != model.config[key] for key in sizes):
        image, got = (f"images {net.in_channels} x {net.height} x {net.height}" for net in (model, old))
        raise ValueError(
            f"a model to start from must draw {image} and have n_feat {widths[0]} or {widths[1]:g}, "
            f"got one that draws {got} and has {old.n_feat}"
        )
    if not known and old.n_cfeat != len(names):
        raise ValueError(
            f"a model to start from must name its classes or have {len(names)}, "
            f"got {old.n_cfeat} without names"
        )
    places = begin_as(names, known) if known else range(len(names))
    begun = with_classes(widen(old) if old.n_feat < model.n_feat else old, places)
    model.load_state_dict(begun.state_dict())
    none = [name for name, place in zip(names, places) if place is None]
    more = f" and {len(none) - 5} more" if len(none) > 5 else ""
    rest = f"; as no class: {', '.join(none[:5])}{more}" if none else ""
    return f"{len(names) - len(none)} of {len(names)} classes begin as one that the model has{rest}"


def _doubled(value: Tensor, shape: torch.Size, inputs: int, generator) -> Tensor:
    for dim in range(value.ndim):
        if value.shape[dim] == shape[dim]:
            continue  # images, classes and kernels stay as they are
        twice = value.repeat_interleave(2, dim)
        if value.ndim > 1 and dim == inputs:
            share = torch.rand(value.shape, generator=generator, dtype=value.dtype)
            twice = twice * torch.stack((share, 1 - share), dim + 1).flatten(dim, dim + 1)
        value = twice
    return value
