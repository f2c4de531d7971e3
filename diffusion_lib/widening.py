"""A trained network made twice as wide, so that a larger one need not begin from nothing."""

import torch
from torch import Tensor, nn

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
