"""What is shipped works from a fresh clone: the models draw, and they are what their card says."""

import json

import pytest
import torch

from diffusion_lib.checkpoints import FOLDER, load_checkpoint
from diffusion_lib.data import load_images
from diffusion_lib.guidance import clipped, guided
from diffusion_lib.metrics import class_accuracy, frechet_distance, load_classifier
from diffusion_lib.samplers import last, sample_ddim, sample_ddpm
from diffusion_lib.train import fingerprint

MODELS = sorted(path.stem for path in FOLDER.glob("*.safetensors") if path.stem != "classifier")


@pytest.fixture(params=MODELS)
def checkpoint(request):
    return request.param, load_checkpoint(request.param)


def test_there_is_a_small_model():
    assert "small" in MODELS


def test_the_facts_tell_how_it_was_made_and_how_good_it_is(checkpoint):
    name, loaded = checkpoint
    facts = loaded.facts
    assert facts["settings"]["data_sha256"] == fingerprint(load_images("sprites"))
    assert facts["images_seen"] > 500_000
    quality = facts["quality"]
    assert {"ddpm", "ddim-20", "ddim-50", "other training images", "held-out images"} <= set(quality)
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"## {name}" in card
    for sampler in ("ddpm", "ddim-20", "ddim-50"):
        assert f"{quality[sampler]['accuracy']:.1%}" in card, sampler
        assert f"{quality[sampler]['frechet']:.2f}" in card, sampler
    json.dumps(facts)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_it_draws_the_class_that_is_asked_for(checkpoint, sampler):
    _, (model, schedule) = checkpoint[0], (checkpoint[1].model, checkpoint[1].schedule)
    count = 100 if sampler == "ddim" else 10
    labels = torch.eye(5)[torch.arange(count) % 5]
    generator = torch.Generator().manual_seed(7)
    x_T = torch.randn(count, 3, 16, 16, generator=generator)
    predict_noise = clipped(guided(model, schedule, labels), schedule)
    if sampler == "ddim":
        images = last(sample_ddim(predict_noise, schedule, x_T, num_steps=20))
    else:
        images = last(sample_ddpm(predict_noise, schedule, x_T, generator=generator))
    judge = load_classifier()
    assert class_accuracy(judge, images, labels) >= (0.9 if sampler == "ddim" else 0.7)
    assert images.min() > -1.6 and images.max() < 1.6
    if sampler == "ddim":
        training = load_images("sprites").images[:1000]
        noise = torch.randn(1000, 3, 16, 16, generator=generator)
        assert frechet_distance(judge, training, images) < frechet_distance(judge, training, noise) / 3
