"""The picture of the network: what it says comes from the model, and the marked block is the marked one."""

import numpy as np
import pytest
import torch

from diffusion_lib import diagram
from diffusion_lib.diagram import MARK, PLACES, ROWS, draw_unet
from diffusion_lib.tracing import trace_shapes
from diffusion_lib.unet import ContextUnet


@pytest.fixture(scope="module")
def model():
    return ContextUnet(3, n_feat=8, n_cfeat=5, height=16)


def written(monkeypatch, model, **arguments):
    """Every text that the drawing writes."""
    texts = []
    monkeypatch.setattr(
        diagram.ImageDraw.ImageDraw, "text", lambda self, place, text, **k: texts.append((text, place))
    )
    draw_unet(model, **arguments)
    return texts


@pytest.mark.parametrize("height", [8, 16, 28, 64])
def test_every_block_stands_there_with_its_traced_shape(monkeypatch, height):
    model = ContextUnet(1, n_feat=16, n_cfeat=3, height=height)
    inputs = torch.zeros(1, 1, height, height), torch.zeros(1), torch.zeros(1, 3)
    texts = [text for text, _ in written(monkeypatch, model)]
    for layer in trace_shapes(model, *inputs):
        shape = layer.output_shape[1:]
        assert texts[texts.index(layer.name) + 1] == (str(shape) if len(shape) == 3 else str(shape[0]))
    assert texts[texts.index("x") + 1] == str((1, height, height))
    assert {"c  (context, 3)", "t  (time, 1)", "x0, skip", "d1, skip", "d2, skip"} <= set(texts)
    assert texts.count("cat") == 3


def test_every_text_lies_within_the_picture(monkeypatch):
    for text, (x, y) in written(monkeypatch, ContextUnet(3, n_feat=256, n_cfeat=10, height=28)):
        half = diagram.ImageFont.load_default(size=13).getlength(text) / 2
        assert half <= x <= diagram.WIDTH - half and 8 <= y <= diagram.HEIGHT - 8, text


def test_it_is_a_picture_and_the_same_each_time(model):
    picture = draw_unet(model)
    assert picture.shape == (500, 1000, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture, draw_unet(model))
    edges = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (edges == 255).all()  # nothing is cut off


@pytest.mark.parametrize("name", PLACES)
def test_the_marked_block_is_the_marked_one(model, name):
    yellow = (draw_unet(model, highlight=name) == MARK).all(axis=2)
    rows, columns = np.nonzero(yellow)
    assert yellow.sum() > 100 and not (draw_unet(model) == MARK).all(axis=2).any()
    x, level = PLACES[name]
    assert abs(columns.mean() - x) < 12 and abs(rows.mean() - ROWS[level]) < 60
    assert columns.max() - columns.min() < 110


def box(model, name):
    """Width and height of a block's box, from the yellow of its mark."""
    yellow = (draw_unet(model, highlight=name) == MARK).all(axis=2)
    yellow[:, : PLACES[name][0] - 40] = yellow[:, PLACES[name][0] + 40 :] = False
    middle = yellow[ROWS[PLACES[name][1]]]
    column = yellow[:, PLACES[name][0] + 1]
    first = np.nonzero(column)[0][0]
    return middle.sum(), np.argmin(column[first:])


def test_boxes_are_in_proportion_to_height_and_channels(model):
    sizes = {name: box(model, name) for name in ("init_conv", "down1", "down2", "up1")}
    assert sizes["init_conv"][1] == pytest.approx(diagram.TALLEST, abs=6)
    assert sizes["init_conv"][1] == pytest.approx(2 * sizes["down1"][1], abs=6)
    assert sizes["down1"][1] == pytest.approx(2 * sizes["down2"][1], abs=6)
    assert sizes["down2"][0] == pytest.approx(2 * sizes["down1"][0], abs=6)
    assert sizes["up1"] == sizes["down1"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_model_is_left_as_it_was(training, dtype):
    model = ContextUnet(3, 8, 2, 16).to(dtype).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    draw_unet(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training is training and not model.down1._forward_hooks


def test_traced_rows_save_the_run(model):
    layers = trace_shapes(model, torch.zeros(1, 3, 16, 16), torch.zeros(1), torch.zeros(1, 5))
    expected = draw_unet(model, "up1")
    hook = model.register_forward_pre_hook(lambda *_: pytest.fail("the model was run"))
    assert np.array_equal(draw_unet(model, "up1", layers=layers), expected)
    hook.remove()


def test_an_unknown_block_is_refused(model):
    with pytest.raises(ValueError, match="one of init_conv.*out, got 'up9'"):
        draw_unet(model, highlight="up9")
