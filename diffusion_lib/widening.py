"""A trained network made wider, or given other classes, so that it need not begin from nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .emphasis import CONTEXT_WEIGHTS
from .unet import ContextUnet


@torch.no_grad()
def widen(model: ContextUnet, generator: torch.Generator | None = None) -> ContextUnet:
    """The same function with twice the channels (Net2WiderNet: Chen et al. 2015, arXiv 1511.05641).

    Each channel stands twice, side by side, so that every group of GroupNorm keeps its statistics. What
    read the one now reads both: its weight w is shared out as r * w and (1 - r) * w, with r drawn from
    0 .. 1 for each weight. Equal shares would get equal gradients, and the two would stay one for ever.
    """
    wide = ContextUnet(**(model.config | {"n_feat": 2 * model.n_feat}))
    modules = dict(model.named_modules())
    for name, module in wide.named_modules():
        # A transposed convolution has its inputs first; the others, and Linear, have them second.
        inputs = 0 if isinstance(module, nn.ConvTranspose2d) else 1
        own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        for key, target in own.items():
            target.copy_(_doubled(getattr(modules[name], key), target.shape, inputs, generator))
    return wide.train(model.training)


def with_classes(model: ContextUnet, begin_as: Sequence[int | None]) -> ContextUnet:
    """A network with other classes: class i begins as the model's class begin_as[i], None as no class.

    The context's first weights, (channels, classes), hold a column for each class. The new network takes the
    column of the class that each of its own begins as, and zeros for None; all else is as it was. So it
    predicts for a new class what the model predicts for the old one, or without a class, until training
    tells them apart. Raises ValueError if begin_as is empty or names a class that the model has not.
    """
    for i in begin_as:
        if i is not None and not 0 <= i < model.n_cfeat:
            raise ValueError(f"begin_as must hold classes 0 .. {model.n_cfeat - 1} or None, got {i}")
    other = ContextUnet(**(model.config | {"n_cfeat": len(begin_as)}))
    weights = model.state_dict()
    for name in CONTEXT_WEIGHTS:
        columns = [weights[name][:, i or 0] * (i is not None) for i in begin_as]
        weights[name] = torch.stack(columns, dim=1)
    other.load_state_dict(weights)
    return other.train(model.training)


def begin_as(names: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """Which of the `known` classes each name begins as: that of the same name, or of its part before a slash.

    "food/apple" begins as "food/apple" if that is known, else as "food"; None if neither is.
    """
    places = {name: i for i, name in enumerate(known)}
    return [places.get(name, places.get(name.partition("/")[0])) for name in names]


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
