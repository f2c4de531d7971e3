"""A network twice as wide computes the same, and its doubled channels do not stay twins."""

import pytest
import torch

from diffusion_lib.checkpoints import load_checkpoint
from diffusion_lib.data import ImageData
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.training import train
from diffusion_lib.unet import ContextUnet
from diffusion_lib.widening import widen


def make_model(height=8):
    """A small network, some steps away from its first weights, so that BatchNorm has something to tell."""
    torch.manual_seed(0)
    model = ContextUnet(3, 8, 2, height)
    images = torch.randn(32, 3, height, height).clamp(-1, 1)
    data = ImageData(images, torch.eye(2)[torch.arange(32) % 2], ("a", "b"))
    for _ in train(model, NoiseSchedule.linear(20), data, num_epochs=2, batch_size=8):
        pass
    return model


def inputs(model, count=5):
    x = torch.randn(count, 3, model.height, model.height, dtype=next(model.parameters()).dtype)
    return x, torch.rand(count, dtype=x.dtype), torch.rand(count, model.n_cfeat, dtype=x.dtype)


@pytest.mark.parametrize("height", [8, 28])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
def test_it_computes_the_same(height, training):
    narrow = make_model(height).double().train(training)
    wide = widen(narrow)
    assert wide.config == narrow.config | {"n_feat": 16} and wide.training == training
    wide = wide.double()
    # widen makes a float32 network: its weights are rounded once.
    x, t, c = inputs(narrow)
    with torch.no_grad():
        expected, got = narrow(x, t, c), wide(x, t, c)
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert got.abs().max() > 0.1


def test_the_shipped_model_widened_is_the_shipped_model():
    small = load_checkpoint("small").model
    x, t, c = inputs(small)
    with torch.no_grad():
        assert torch.allclose(widen(small)(x, t, c), small(x, t, c), atol=1e-4)


def test_the_twins_part():
    """Two copies of a channel have the same weights before them, and other gradients."""
    wide = widen(make_model().train(), torch.Generator().manual_seed(1))
    weight = wide.init_conv.conv1[0].weight
    assert torch.equal(weight[0::2], weight[1::2])
    wide(*inputs(wide)).square().sum().backward()
    difference = (weight.grad[0::2] - weight.grad[1::2]).abs().flatten(start_dim=1).amax(dim=1)
    assert (difference > 1e-3 * weight.grad.abs().max()).all()


def test_the_narrow_one_stays_and_a_seed_repeats_it():
    narrow = make_model()
    before = {name: value.clone() for name, value in narrow.state_dict().items()}
    one, two = (widen(narrow, torch.Generator().manual_seed(3)).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(torch.equal(before[name], value) for name, value in narrow.state_dict().items())
