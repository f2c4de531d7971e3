"""A network twice as wide, or with other classes, computes the same, and what was doubled can part."""

import pytest
import torch

from diffusion_lib.checkpoints import load_checkpoint
from diffusion_lib.data import ImageData, load_images
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.training import train
from diffusion_lib.unet import ContextUnet
from diffusion_lib.widening import begin_as, load_from, widen, with_classes


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


def test_new_classes_begin_as_the_old_one_or_as_none():
    old = make_model().eval()
    new = with_classes(old, [1, 0, 1, None])
    assert new.config == old.config | {"n_cfeat": 4} and not new.training
    x, t, _ = inputs(old, 4)
    asked, same = torch.eye(4), torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    asked, same = 50 * asked, 50 * same  # the classes of random images differ little
    with torch.no_grad():
        assert torch.allclose(new(x, t, asked), old(x, t, same), atol=1e-6)
        assert torch.allclose(new(x, t), old(x, t), atol=1e-6), "without context nothing has changed"
        assert not torch.allclose(new(x, t, asked), old(x, t, same.flip(1)), atol=1e-3)
    new.train()(x, t, asked).square().sum().backward()
    columns = new.contextembed1.model[0].weight.grad.T
    assert (columns[0] - columns[2]).abs().max() > 1e-4, "two that began alike learn apart"
    assert columns[3].abs().max() > 1e-4, "and the one that began as none learns"


@pytest.mark.parametrize("make", [lambda model: with_classes(model, [0, None]), widen])
def test_the_precision_stays(make):
    assert all(p.dtype == torch.float64 for p in make(make_model().double()).parameters())


def test_classes_that_the_model_has_not():
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match=rf"old_places must hold classes 0 .. 1 or None, got {wrong}"):
            with_classes(make_model(), [0, wrong])
    with pytest.raises(ValueError, match="n_cfeat must be a positive whole number, got 0"):
        with_classes(make_model(), [])


def test_what_a_network_starts_from():
    old = make_model()
    columns = old.contextembed1.model[0].weight
    new = ContextUnet(3, 8, 3, 8)
    says = load_from(old, ("cat", "dog"), new, ("dog/poodle", "cat", "Cat"))
    assert says == "2 of 3 classes begin as one that the model has; as no class: Cat"
    expected = torch.stack((columns[:, 1], columns[:, 0], torch.zeros(16)), dim=1)
    assert torch.equal(new.contextembed1.model[0].weight, expected)
    many = load_from(old, ("cat", "dog"), ContextUnet(3, 8, 7, 8), tuple("abcdefg"))
    assert many == "0 of 7 classes begin as one that the model has; as no class: a, b, c, d, e and 2 more"

    new = ContextUnet(3, 8, 2, 8)
    says = load_from(old, (), new, ("x", "y"))
    assert says == "2 of 2 classes begin as one that the model has", "without names they keep their places"
    assert torch.equal(new.contextembed1.model[0].weight, columns)
    with pytest.raises(ValueError, match="must name its classes or have 3, got 2 without names"):
        load_from(old, (), ContextUnet(3, 8, 3, 8), ("x", "y", "z"))
    for other in (ContextUnet(1, 8, 2, 8), ContextUnet(3, 8, 2, 12), ContextUnet(3, 24, 2, 8)):
        with pytest.raises(
            ValueError, match=r"must draw images . x .* and have n_feat .* got .* x 8 and has"
        ):
            load_from(old, ("cat", "dog"), other, ("cat", "dog"))


def test_which_class_a_name_begins_as():
    known = ("hero", "non-hero", "food", "food/apple")
    names = ("food/apple", "food/pear", "non-hero/ghost", "hero", "cat", "pets/food", "foo")
    assert begin_as(names, known) == [3, 2, 1, 0, None, None, None]
    assert begin_as(known, known) == [0, 1, 2, 3] and begin_as(known, ()) == [None] * 4
    kinds, classes = load_images("kinds").class_names, load_images("sprites").class_names
    parents = [classes[i] for i in begin_as(kinds, classes)]
    assert [kind.split("/")[0] for kind in kinds] == parents
