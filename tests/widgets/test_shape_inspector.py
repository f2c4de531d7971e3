"""The shape inspector: the layers, their feature maps, and each control driven as a learner would."""

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances

from diffusion_lib.tracing import trace_shapes
from diffusion_lib.unet import ContextUnet
from diffusion_lib.widgets import ShapeInspector
from diffusion_lib.widgets.shape_inspector import PAGE, describe, inspect, layers_and_maps, map_sheet

CALLS = ["init_conv", "down1", "down2", "to_vec", "contextembed1", "timeembed1", "contextembed2",
         "timeembed2", "up0", "up1", "up2", "out"]  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ContextUnet(3, n_feat=24, n_cfeat=5, height=16)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 3, 16, 16, generator=generator), torch.tensor([0.3]), torch.eye(6, 5)


@pytest.fixture
def inspector(model, inputs):
    panel = ShapeInspector(model, inputs)
    yield panel
    panel.close()


def test_its_own_sizes_give_the_trace_of_the_model(model, inputs):
    result = inspect(model, inputs, 16, 24, 6)
    assert result.own and result.model is model
    assert result.layers == trace_shapes(model, *inputs)
    assert [layer.name for layer in result.layers] == CALLS == sorted(result.maps, key=CALLS.index)


def test_other_sizes_give_another_network_with_the_shapes_of_the_spec(model, inputs):
    state = torch.get_rng_state()
    result = inspect(model, inputs, 28, 64, 32)
    assert torch.equal(torch.get_rng_state(), state)
    assert not result.own and result.model.config == model.config | {"height": 28, "n_feat": 64}
    shapes = {layer.name: (layer.input_shape, layer.output_shape) for layer in result.layers}
    assert shapes["down2"] == ((32, 64, 14, 14), (32, 128, 7, 7))
    assert shapes["timeembed1"] == ((1,), (1, 128))
    assert shapes["out"] == ((32, 128, 28, 28), (32, 3, 28, 28))
    assert result.maps["down2"].shape == (128, 7, 7) and result.maps["timeembed1"].shape == (128, 1, 1)


def test_another_batch_keeps_the_model(model, inputs):
    result = inspect(model, inputs, 16, 24, 64)
    assert result.own and result.layers[0].input_shape == (64, 3, 16, 16)


def test_feature_maps_are_those_of_the_first_image_in_evaluation_mode(model, inputs):
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    layers, maps = layers_and_maps(model, *inputs)
    assert layers == trace_shapes(model, *inputs)
    assert model.training and not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()
    with torch.no_grad():
        assert torch.equal(maps["init_conv"], model.init_conv(inputs[0])[0])
        assert torch.equal(maps["out"], model(*inputs)[0])


def test_no_hook_stays_when_the_forward_fails(model, inputs):
    with pytest.raises(ValueError, match="x must have shape"):
        layers_and_maps(model, inputs[0][:, :, :8], *inputs[1:])
    assert not any(module._forward_hooks for module in model.modules())


def test_colours_tell_sign_and_strength():
    maps = torch.zeros(3, 1, 1)
    maps[0], maps[1] = -2.0, 1.0
    pixels = map_sheet(maps, 0)
    centres = [tuple(pixels[34, 34 + 68 * i].tolist()) for i in range(4)]
    assert centres == [(0, 114, 178), (234, 174, 128), (255, 255, 255), (236, 236, 236)]


@pytest.mark.parametrize("side", [1, 4, 7, 8, 14, 16, 28, 32, 64])
def test_a_page_has_one_size_and_shows_each_pixel_equally_large(side):
    maps = torch.ones(5, side, side)
    pixels = map_sheet(maps, 0)
    assert pixels.shape == (4 * 68, 8 * 68, 3)
    orange = (pixels == (213, 94, 0)).all(axis=2)
    factor = 64 // side
    assert orange.sum() == 5 * (side * factor) ** 2


def test_pages_cover_all_channels_once():
    maps = torch.arange(1.0, 71.0)[:, None, None]
    seen = []
    for page in range(3):
        pixels = map_sheet(maps, page)
        blues = [pixels[34 + 68 * r, 34 + 68 * c, 2] for r in range(4) for c in range(8)]
        seen += [int(b) for b in blues if b != 236]
    expected = [round(255 * (1 - k / 70)) for k in range(1, 71)]
    assert len(seen) >= 66 and np.abs(np.diff(seen)).max() <= 30  # 236, the grey, hides a few
    assert [value for value in expected if value != 236] == pytest.approx(seen, abs=1)


def test_a_layer_in_words(model, inputs):
    layers = {layer.name: layer for layer in trace_shapes(model, *inputs)}
    total = sum(p.numel() for p in model.parameters())
    words = describe(layers["down1"], total)
    assert words.startswith("down1 (UnetDown): (6, 24, 16, 16) → (6, 24, 8, 8), ")
    share = layers["down1"].num_parameters / total
    assert f"{layers['down1'].num_parameters:,} parameters, {share:.1%} of {total:,}" in words
    assert "0 parameters, 0.0%" in describe(layers["to_vec"], total)


def test_choosing_a_layer_lights_it_up_and_shows_its_maps(inspector):
    diagrams, sheets = set(), set()
    for name in CALLS:
        inspector.layer.value = name
        assert f"<b>{name} (" in inspector.words.value and name in inspector.diagram.alt
        assert inspector.maps.alt.startswith(f"Feature maps of {name}, ")
        diagrams.add(inspector.diagram.png)
        sheets.add(inspector.maps.png)
    assert len(diagrams) == len(sheets) == 12
    inspector.layer.value = "init_conv"
    assert inspector.diagram.png in diagrams


def test_paging_goes_round(inspector):
    inspector.layer.value = "down2"  # 48 channels: two pages
    first = inspector.maps.png
    assert inspector.range.value == "0 to 31 of 48"
    inspector.later.click()
    assert inspector.range.value == "32 to 47 of 48" and inspector.maps.png != first
    inspector.later.click()
    assert inspector.range.value == "0 to 31 of 48" and inspector.maps.png == first
    inspector.earlier.click()
    assert inspector.range.value == "32 to 47 of 48"
    inspector.layer.value = "out"  # 3 channels: the page starts again, and there is one
    assert inspector.range.value == "0 to 2 of 3" and inspector.later.disabled and inspector.earlier.disabled
    inspector.layer.value = "up0"
    assert not inspector.later.disabled and len(inspector.inspection.maps["up0"]) > PAGE


def test_sliders_rebuild_the_trace_and_keep_the_layer(inspector, model):
    inspector.layer.value = "up1"
    inspector.height.value = 28
    assert "(6, 96, 7, 7)" not in inspector.words.value  # the first input is up0's output, before the skip
    assert "(6, 48, 7, 7) → (6, 24, 14, 14)" in inspector.words.value
    inspector.n_feat.value = 64
    assert "(6, 128, 7, 7) → (6, 64, 14, 14)" in inspector.words.value
    inspector.batch.value = 32
    assert "(32, 128, 7, 7) → (32, 64, 14, 14)" in inspector.words.value
    assert inspector.layer.value == "up1" and "random weights" in inspector.note.value
    inspector.height.value, inspector.n_feat.value, inspector.batch.value = 16, 24, 6
    assert inspector.inspection.model is model and "The model itself" in inspector.note.value


@pytest.mark.parametrize("height, n_feat, batch", [(4, 8, 1), (32, 128, 64), (4, 128, 1), (32, 8, 64)])
def test_extremes_of_all_sliders_on_every_layer(inspector, height, n_feat, batch):
    inspector.height.value, inspector.n_feat.value, inspector.batch.value = height, n_feat, batch
    for name in CALLS:
        inspector.layer.value = name
    assert f"({batch}, 3, {height}, {height})" in inspector.words.value
    assert inspector.chosen.output_shape == (batch, 3, height, height)


def test_inputs_without_context_and_with_a_time_for_each(model, inputs):
    panel = ShapeInspector(model, (inputs[0], torch.rand(6)))
    panel.layer.value = "contextembed1"
    assert "(6, 5) → (6, 48)" in panel.words.value
    panel.close()


def test_long_use_leaves_nothing(model, inputs):
    before = set(_instances)
    panel = ShapeInspector(model, inputs)
    alive = len(_instances)
    for _ in range(5):
        for name in CALLS:
            panel.layer.value = name
            panel.later.click()
        panel.height.value = 44 - panel.height.value
    assert len(_instances) == alive
    panel.close()
    panel.layer.value = "init_conv"  # no longer bound
    assert "<b>out (" in panel.words.value
    assert set(_instances) == before
    assert not any(module._forward_hooks for module in model.modules())


def test_controls_are_labelled_and_pictures_have_a_text(inspector):
    controls = (inspector.layer, inspector.height, inspector.n_feat, inspector.batch, inspector.earlier,
                inspector.later)  # fmt: skip
    assert all(control.description for control in controls)
    for picture in (inspector.diagram, inspector.maps):
        assert len(picture.alt) > 20 and f'alt="{picture.alt}"' in picture.value
    assert repr(inspector).startswith("Shape inspector: run this cell")


def test_wrong_models_and_inputs_are_refused(model, inputs):
    with pytest.raises(ValueError, match="must have a config"):
        ShapeInspector(torch.nn.Linear(1, 1), inputs)
    with pytest.raises(ValueError, match="x must have shape"):
        ShapeInspector(model, (inputs[0][:, :, :8, :8], *inputs[1:]))
