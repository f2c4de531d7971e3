"""What is shipped works from a fresh clone: the models draw, and they are what their card says."""

import json
from functools import cache

import pytest
import torch

from diffusion_lib.checkpoints import FOLDER, load_checkpoint
from diffusion_lib.data import load_images
from diffusion_lib.drawing import draw, wishes
from diffusion_lib.metrics import class_accuracy, kind_accuracy, load_classifier
from diffusion_lib.yardstick import yardstick

MODELS = sorted(path.stem for path in FOLDER.glob("*.safetensors") if path.stem != "classifier")


@pytest.fixture(params=MODELS)
def checkpoint(request):
    return request.param, load_checkpoint(request.param)


@cache
def drawn(name, sampler, count):
    """Images, their classes and their contexts: drawn once, for the two tests that look at them."""
    loaded = load_checkpoint(name)
    labels, contexts = wishes(loaded, load_images("sprites"), count, seed=7)
    return draw(loaded, contexts, sampler, seed=7), labels, contexts


def test_there_is_a_small_model():
    assert "small" in MODELS


def test_the_facts_tell_how_it_was_made_and_how_good_it_is(checkpoint):
    name, loaded = checkpoint
    facts = loaded.facts
    data = load_images("kinds" if name == "kinds" else "sprites")
    assert facts["settings"]["data_sha256"] == data.fingerprint()
    assert loaded.class_names == data.class_names
    assert facts["images_seen"] > 500_000
    quality = facts["quality"]
    assert {"ddpm", "ddim-20", "ddim-50", "other training images", "held-out images"} <= set(quality)
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"## {name}" in card
    for sampler in ("ddpm", "ddim-20", "ddim-50"):
        assert f"{quality[sampler]['accuracy']:.1%}" in card, sampler
        assert f"{quality[sampler]['frechet']:.2f}" in card, sampler
    json.dumps(facts)


def test_real_images_get_what_the_card_says(checkpoint):
    """Else today's numbers and those of the cards would not be in one unit."""
    for name, row in yardstick(0).of_real.items():
        written = checkpoint[1].facts["quality"][name]
        assert row["frechet"] == pytest.approx(written["frechet"], rel=1e-3)
        assert row["accuracy"] == written["accuracy"] and row["copies"] == pytest.approx(written["copies"])
        assert row["denoising"] == pytest.approx(written.get("denoising", row["denoising"]), rel=1e-3)


def test_samples_come_within_ten_times_the_floor(checkpoint):
    quality = checkpoint[1].facts["quality"]
    assert quality["ddpm"]["frechet"] <= 10 * quality["other training images"]["frechet"]
    assert quality["ddpm"]["copies"]["exact"] == 0


@pytest.mark.parametrize(("sampler", "count"), [("ddim-20", 200), ("ddpm", 10)])
def test_it_draws_the_class_that_is_asked_for_as_often_as_the_card_says(checkpoint, sampler, count):
    """Within four standard errors of the measured share, and far above one in five."""
    images, labels, _ = drawn(checkpoint[0], sampler, count)
    promised = checkpoint[1].facts["quality"][sampler]["accuracy"]
    got = class_accuracy(load_classifier(), images, labels)
    assert got > 0.5 and abs(got - promised) <= 4 * (promised * (1 - promised) / count) ** 0.5
    assert images.abs().max() <= 1 + 1e-4, "the last step returns the clipped image"
    assert (images > 0.9).all(dim=1).float().mean() > 0.15, "the ground is white"


def test_a_kind_is_drawn_as_often_as_the_card_says():
    images, _, contexts = drawn("kinds", "ddim-20", 200)
    promised = load_checkpoint("kinds").facts["quality"]["ddim-20"]["kinds"]
    got = kind_accuracy(load_classifier(), images, contexts.argmax(dim=1))
    assert promised > 0.9 and abs(got - promised) <= 4 * (promised * (1 - promised) / 200) ** 0.5
    assert f"{promised:.1%}" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_sampling_in_bfloat16_gives_nearly_the_same_images(checkpoint):
    _, contexts = wishes(checkpoint[1], load_images("sprites"), 5, seed=3)
    exact, rounded = (
        draw(checkpoint[1], contexts, "ddim-10", seed=3, mixed_precision=on) for on in (False, True)
    )
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).abs().mean() < 0.05
