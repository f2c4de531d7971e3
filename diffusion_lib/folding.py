"""A network for sampling only: each BatchNorm as a part of the convolution before it."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .unet import ContextUnet, ResidualConvBlock


def folded(model: ContextUnet) -> ContextUnet:
    """A copy that predicts the same, to rounding, and is a little faster.

    After training a BatchNorm is a scale and a shift of each channel, with its running mean m and variance v:
    gamma * (W x + b - m) / sqrt(v + eps) + beta (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 2). With
    the convolution W x + b before it, that is one convolution again. The copy is not for training, and a
    checkpoint of the model does not load into it.

    Raises ValueError if the model is in training mode, where the mean and variance are those of the batch.
    """
    if model.training:
        raise ValueError("the model is in training mode: call model.eval() before folding")
    model = copy.deepcopy(model)
    for block in model.modules():
        if isinstance(block, ResidualConvBlock):
            for part in (block.conv1, block.conv2):
                part[0], part[1] = fuse_conv_bn_eval(part[0], part[1]), nn.Identity()
    return model
