"""folded: the same predictions, no BatchNorm left, the original untouched."""

import pytest
import torch
from torch import nn

from diffusion_lib.checkpoints import load_checkpoint
from diffusion_lib.folding import folded
from diffusion_lib.unet import ContextUnet


@pytest.mark.parametrize("name", ["small", "better"])
def test_the_copy_predicts_the_same(name):
    model = load_checkpoint(name).model
    before = {key: value.clone() for key, value in model.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    x_t, context = torch.randn(5, 3, 16, 16, generator=generator), torch.eye(5)
    quick = folded(model)
    with torch.no_grad():
        for t in (0.002, 0.5, 1.0):
            t = torch.tensor([t])
            assert (quick(x_t, t, context) - model(x_t, t, context)).abs().max() < 1e-5
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_every_batchnorm_goes_and_every_groupnorm_stays():
    model = ContextUnet(1, 8, 3, 8).eval()
    kinds = [[type(part) for part in network.modules()] for network in (model, folded(model))]
    assert kinds[0].count(nn.BatchNorm2d) == 18 and kinds[1].count(nn.BatchNorm2d) == 0
    assert kinds[1].count(nn.GroupNorm) == kinds[0].count(nn.GroupNorm) > 0
    assert not folded(model).training


def test_a_model_in_training_mode_is_refused():
    with pytest.raises(ValueError, match="in training mode: call model.eval"):
        folded(ContextUnet(1, 8, 3, 8))
