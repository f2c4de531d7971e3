"""The judge and its measures, on cases whose answer is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from test_samplers import GaussianOracle

from diffusion_lib.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from diffusion_lib.classifier import SpriteClassifier, fit_classifier
from diffusion_lib.data import load_images
from diffusion_lib.drawing import alike, draw, wishes
from diffusion_lib.evaluate import main
from diffusion_lib.folding import folded
from diffusion_lib.guidance import clipped, guided
from diffusion_lib.metrics import (
    class_accuracy,
    count_copies,
    denoising_error,
    frechet_distance,
    frechet_to,
    kind_accuracy,
    load_classifier,
    nearest_images,
    predict_classes,
)
from diffusion_lib.samplers import last, sample_ddpm
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.unet import ContextUnet
from diffusion_lib.yardstick import split_real


@pytest.fixture(scope="module")
def judge():
    return load_classifier()


@pytest.fixture(scope="module")
def held_out():
    return load_images("sprites", "held_out")


@pytest.fixture(scope="module")
def training():
    return load_images("sprites")


def test_the_shipped_judge_knows_shapes_it_never_saw(judge, held_out):
    assert class_accuracy(judge, held_out.images, held_out.labels) >= 0.98
    assert kind_accuracy(judge, held_out.images, held_out.kinds) >= 0.95
    assert kind_accuracy(judge, held_out.images, (held_out.kinds + 1) % 92) < 0.05


def test_accuracy_counts_what_the_judge_sees(judge, held_out):
    images = held_out.images[:100]
    labels = torch.nn.functional.one_hot(predict_classes(judge, images), 5).float()
    assert class_accuracy(judge, images, labels) == 1
    assert class_accuracy(judge, images, labels.roll(1, dims=1)) == 0
    half = torch.cat((labels[:50], labels[50:].roll(1, dims=1)))
    assert class_accuracy(judge, images, half) == 0.5


def test_a_class_has_the_probability_of_its_kinds():
    torch.manual_seed(0)
    model = SpriteClassifier([0, 1, 0, 2], width=8).eval()
    x = torch.randn(3, 3, 16, 16)
    kinds = model.kind_scores(x).softmax(dim=1)
    expected = torch.stack((kinds[:, 0] + kinds[:, 2], kinds[:, 1], kinds[:, 3]), dim=1)
    assert torch.allclose(model(x).softmax(dim=1), expected, atol=1e-6)


def test_the_classifier_learns():
    generator = torch.Generator().manual_seed(0)
    kinds = torch.randint(0, 2, (256,), generator=generator)
    images = torch.randn(256, 3, 16, 16, generator=generator) * 0.3 + kinds.view(-1, 1, 1, 1)
    torch.manual_seed(0)
    model = SpriteClassifier([0, 1], width=8)
    losses = list(fit_classifier(model, images, kinds, num_epochs=15))
    assert len(losses) == 15 and losses[-1] < 0.3 * losses[0] and not model.training
    assert class_accuracy(model, images, torch.eye(2)[kinds]) > 0.95


def test_frechet_distance_of_known_features(held_out):
    """Features that are the pixels' own numbers: the distance of two normals in closed form."""

    class Plain(torch.nn.Module):
        num_features = 2

        def features(self, x):
            return x.flatten(start_dim=1)

    a, b = torch.randn(2, 4000, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    b = 3 * b + 5
    x, y = (v.flatten(start_dim=1).numpy() for v in (a, b))
    cx, cy = np.cov(x.T), np.cov(y.T)
    root = np.sqrt(np.linalg.eigvals(cx @ cy).real).sum()
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cx) + np.trace(cy) - 2 * root
    assert frechet_distance(Plain(), a, b) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(Plain(), a, a) == pytest.approx(0, abs=1e-4)


def test_frechet_distance_orders_what_the_eye_orders(judge, training):
    real, others, _ = split_real(training)
    distance = frechet_to(judge, real.images)
    floor = distance(others.images)
    noise = torch.randn(others.images.shape, generator=torch.Generator().manual_seed(0))
    slight, strong = ((others.images + s * noise).clamp(-1, 1) for s in (0.1, 0.3))
    distances = [distance(x) for x in (slight, strong, noise)]
    assert 0 < floor < distances[0] < distances[1] < distances[2]
    apples = training.images[training.labels[:, 2] == 1][:1000]
    assert distance(apples) > 10 * floor, "food alone is far from all classes"
    assert distance(others.images) == floor, "the sets between left nothing behind"
    assert frechet_distance(judge, real.images, others.images) == floor
    with pytest.raises(ValueError, match="generated must hold more than 64 images, got 3"):
        distance(others.images[:3])
    with pytest.raises(ValueError, match="real must hold more than 64 images, got 3"):
        frechet_to(judge, real.images[:3])


def test_the_command_measures_a_checkpoint(tmp_path, capsys):
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "new.safetensors", ContextUnet(3, 8, 5, 16), NoiseSchedule.linear(4), step=0)
    arguments = [str(tmp_path / "new.safetensors"), "--samples", "70", "--samplers", "ddpm,ddim-2"]
    assert main([*arguments, "--sheets", str(tmp_path / "sheets"), "--write"]) == 0
    table = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(table) == ["other training images", "held-out images", "ddpm", "ddim-2"]
    assert table["other training images"]["accuracy"] > 0.99
    assert table["ddpm"]["frechet"] > 20 * table["other training images"]["frechet"], "it is not trained"
    assert table["other training images"]["denoising"] == 1
    assert table["held-out images"]["denoising"] == pytest.approx(1, abs=0.1)
    made, better = load_checkpoint(tmp_path / "new.safetensors"), load_checkpoint("better")
    labels, errors = torch.eye(5)[torch.arange(70) % 5], []
    others = split_real(load_images("sprites"))[1]
    for images, classes in ((draw(made, labels, "ddim-2", seed=0), labels), (others.images, others.labels)):
        predict_noise = clipped(guided(folded(better.model), better.schedule, classes), better.schedule)
        errors.append(denoising_error(predict_noise, better.schedule, images).mean().item())
    assert table["ddim-2"]["denoising"] == pytest.approx(errors[0] / errors[1], rel=1e-3)
    assert table["ddim-2"]["denoising"] > 2, "it is not trained"
    facts = load_checkpoint(tmp_path / "new.safetensors").facts
    assert facts["quality"] == table and facts["step"] == 0
    assert table["ddim-2"]["samples"] == 70 and not table["ddim-2"]["bfloat16"]
    assert main([*arguments[:3], "--samplers", "ddim-2", "--weight", "2", "--write"]) == 0
    kept = load_checkpoint(tmp_path / "new.safetensors").facts["quality"]
    assert kept["ddim-2"] == table["ddim-2"] and kept["ddim-2-weight-2"]["weight"] == 2
    torch.manual_seed(1)
    worse = tmp_path / "worse" / "model.safetensors"  # as a run names it: the folder tells it from others
    save_checkpoint(worse, ContextUnet(3, 16, 2, 16), NoiseSchedule.linear(4))
    with_guide = ["--samplers", "ddim-2", "--weight", "3", "--guide", str(worse)]
    assert main([*arguments[:3], *with_guide, "--write"]) == 0
    capsys.readouterr()
    by_worse = load_checkpoint(tmp_path / "new.safetensors").facts["quality"]["ddim-2-weight-3-guide-worse"]
    assert by_worse["guide"] == "worse" and by_worse["weight"] == 3
    assert main([*arguments[:3], *with_guide[:4]]) == 0
    unguided = json.loads(capsys.readouterr().out.splitlines()[-1])["ddim-2-weight-3"]
    assert by_worse["frechet"] != unguided["frechet"]
    with_palette = ["--samplers", "ddim-2", "--colours", "3", "--sheets", str(tmp_path / "few")]
    assert main([*arguments[:3], *with_palette]) == 0
    assert list(json.loads(capsys.readouterr().out.splitlines()[-1]))[-1] == "ddim-2-colours-3"
    drawn = np.asarray(Image.open(tmp_path / "few" / "ddim-2-colours-3.png"))[4:68, 4:68].reshape(-1, 3)
    assert len(np.unique(drawn, axis=0)) == 3, "the first image of the sheet, without the white around it"
    assert main([*arguments[:3], "--samplers", "ddim-2", "--best-of", "3"]) == 0
    chosen = json.loads(capsys.readouterr().out.splitlines()[-1])["ddim-2-best-of-3"]
    assert chosen["samples"] == 70 and chosen["denoising"] < table["ddim-2"]["denoising"]
    small, labels = load_checkpoint("small"), torch.eye(5)
    plain, weighted = (draw(small, labels, "ddim-4", seed=0, weight=weight) for weight in (1.0, 2.0))
    assert (plain - weighted).abs().mean() > 0.01
    by_itself, by_none = (
        draw(small, labels, "ddim-4", seed=0, weight=w, guide=small) for w in (2.0, 0.0)
    )  # the model without context is the guide of classifier-free guidance
    assert (by_itself - weighted).abs().max() < 1e-3
    assert torch.equal(by_none, draw(small, labels, "ddim-4", seed=0, weight=0.0))
    better = load_checkpoint("better")
    of_better = draw(small, labels, "ddim-4", seed=0, weight=0.0, guide=better)
    assert torch.equal(of_better, draw(better, labels, "ddim-4", seed=0, weight=0.0)), "the guide alone"
    names = sorted(path.name for path in (tmp_path / "sheets").iterdir())
    assert names == ["ddim-2-mixed.png", "ddim-2.png", "ddpm-mixed.png", "ddpm.png"]


def test_the_real_half_of_a_mixed_sheet_has_the_classes_of_the_generated_one(training):
    classes, wanted = torch.tensor([2, 0, 2, 1, 0, 2]), torch.tensor([2, 0, 2, 0, 0])
    assert alike(classes, wanted) == [0, 1, 2, 4, 1], "in turn, and again from the first where there is none"
    with pytest.raises(ValueError, match=r"must hold classes that an image has, got \[3\]"):
        alike(classes, torch.tensor([1, 3]))
    _, others, _ = split_real(training)
    assert alike(others.kinds, torch.arange(92)), "whatever kinds a sheet asks for, there is a real one"
    for model, has in (("kinds", others.kinds), ("small", others.labels.argmax(dim=1))):
        wanted = wishes(load_checkpoint(model), training, 50, 0)[1].argmax(dim=1)
        places = alike(has, wanted)
        assert len(set(places)) == 50 and torch.equal(has[places], wanted)


def test_the_command_measures_a_model_of_kinds(tmp_path, capsys):
    torch.manual_seed(0)
    sprites = load_images("sprites")
    facts = {"settings": {"class_names": [*sprites.kind_names]}}
    path = tmp_path / "kinds.safetensors"
    save_checkpoint(path, ContextUnet(3, 8, 92, 16), NoiseSchedule.linear(4), **facts)
    arguments = ["--samples", "70", "--samplers", "ddim-2", "--best-of", "2"]
    assert main([str(path), *arguments, "--sheets", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    table = json.loads(printed.splitlines()[-1])
    assert table["held-out images"]["kinds"] > 0.95 and table["ddim-2-best-of-2"]["kinds"] < 0.2
    assert f"{table['held-out images']['kinds']:.1%} show their kind" in printed


def test_wishes_for_a_model_of_kinds_come_as_often_as_the_kinds(training):
    facts = {"settings": {"class_names": [*training.kind_names]}}
    checkpoint = Checkpoint(ContextUnet(3, 8, 92, 16), NoiseSchedule.linear(4), facts)
    labels, contexts = wishes(checkpoint, training, 5000, seed=0)
    assert torch.equal(labels, torch.eye(5)[torch.arange(5000) % 5]) and contexts.shape == (5000, 92)
    asked = [training.kind_names[kind].split("/")[0] for kind in contexts.argmax(dim=1)]
    assert asked == [*training.class_names] * 1000
    share = (
        training.kinds.bincount(minlength=92)
        / training.labels.sum(dim=0)[
            [training.class_names.index(name.split("/")[0]) for name in training.kind_names]
        ]
    )
    got = contexts.mean(dim=0) * 5
    assert ((got - share).abs() <= 4.5 * (share * (1 - share) / 1000).sqrt()).all()
    assert not torch.equal(contexts, wishes(checkpoint, training, 5000, seed=1)[1])
    no_food = training.subset(training.labels[:, training.class_names.index("food")] == 0)
    with pytest.raises(ValueError, match="wanted must hold classes that the data has, got 2"):
        wishes(checkpoint, no_food, 5, seed=0)
    nameless = Checkpoint(checkpoint.model, checkpoint.schedule, {})
    with pytest.raises(ValueError, match=r"of classes that it names, or of 5: this one has .*'n_cfeat': 92"):
        wishes(nameless, training, 5, seed=0)
    same, both = wishes(load_checkpoint("small"), training, 7, seed=0)
    assert torch.equal(same, both) and same.shape == (7, 5)


def test_the_command_refuses_what_it_cannot_measure(tmp_path, capsys):
    save_checkpoint(tmp_path / "grey.safetensors", ContextUnet(1, 8, 10, 16), NoiseSchedule.linear(4))
    save_checkpoint(tmp_path / "new.safetensors", ContextUnet(3, 8, 5, 16), NoiseSchedule.linear(4))
    grey = str(tmp_path / "grey.safetensors")
    of_letters = {"settings": {"class_names": list("abcde")}}
    save_checkpoint(
        tmp_path / "mine.safetensors", ContextUnet(3, 8, 5, 16), NoiseSchedule.linear(4), **of_letters
    )
    for arguments, message in (
        (["grey.safetensors"], "the model must draw sprites"),
        (["mine.safetensors"], "the model must draw sprites, this one draws a, b, c, d, e"),
        (["new.safetensors", "--samples", "64"], "--samples must be more than 64, got 64"),
        (["new.safetensors", "--samples", "-5"], "--samples must be more than 64, got -5"),
        (["new.safetensors", "--samplers", "euler-20"], "a sampler must be"),
        (["new.safetensors", "--samplers", "ddpm,ddim-0"], "1 .. 4 steps, got 'ddim-0'"),
        (["new.safetensors", "--best-of", "0"], "--best-of must be at least 1, got 0"),
        (["new.safetensors", "--colours", "0"], "--colours must be at least 1, got 0"),
        (["new.safetensors", "--weight", "2", "--guide", "nobody"], "there is no checkpoint"),
        (["new.safetensors", "--guide", "small"], "a guide needs a weight other than 1"),
        (["new.safetensors", "--weight", "2", "--guide", "small"], "with the model's schedule"),
        (["new.safetensors", "--weight", "2", "--guide", grey], "the guide must draw the same images"),
        (["runs/mine", "--write"], "there is no checkpoint"),
        (["nothing.safetensors"], "there is no checkpoint"),
        (["new.pth", "--write"], "--write needs a .safetensors file, got new.pth"),
    ):
        assert main([str(tmp_path / arguments[0]), *arguments[1:]]) == 1
        assert message in capsys.readouterr().err


def test_the_real_images_are_fixed_and_apart(training):
    (real, others, rest), (again, _, _) = split_real(training), split_real(training)
    assert (len(real), len(others), len(rest)) == (5000, 1000, len(training) - 1000)
    assert torch.equal(real.images, again.images)
    assert (nearest_images(others.images[:200], rest.images).distance > 0).all(), "none is its own copy"
    assert (nearest_images(others.images[:200], real.images).distance > 0).all()


def test_nearest_and_copies(training):
    pool = training.images[:500]
    changed = pool[[3, 77, 400]].clone()
    changed[1, :, 8, 8] *= -1  # one pixel
    changed[2] = torch.randn(3, 16, 16)
    nearest = nearest_images(changed, pool, batch_size=2)
    assert nearest.index[:2].tolist() == [3, 77]
    difference = (changed[1] - pool[77]).square().mean().sqrt()
    assert nearest.distance[0] < 1e-3 and nearest.distance[1].item() == pytest.approx(
        difference.item(), abs=1e-3
    )
    assert nearest.distance[2] > 0.5
    assert count_copies(changed, pool) == {"exact": pytest.approx(1 / 3), "near": pytest.approx(2 / 3)}


@pytest.fixture
def exact():
    return GaussianOracle(NoiseSchedule.linear(40, 1e-3, 0.2), mean=0.2, deviation=0.5)


@pytest.mark.parametrize("t", [None, 3, 40])
def test_denoising_error_of_known_data(exact, generator, t):
    """The clean guess is affine in x_t, so the error of pixels at mean + d has a closed form in d."""
    alpha_bar = exact.schedule.alpha_bar[10 if t is None else t].item()
    gain = alpha_bar**0.5 * exact.deviation**2 / (alpha_bar * exact.deviation**2 + 1 - alpha_bar)
    for d in (0.0, 0.5, -2.0):
        images = torch.full((3, 1, 100, 100), exact.mean + d, dtype=torch.float64)
        expected = ((1 - gain * alpha_bar**0.5) * d) ** 2 + gain**2 * (1 - alpha_bar)
        found = denoising_error(exact, exact.schedule, images, t)
        assert found.shape == (3,)
        assert found.tolist() == pytest.approx([expected] * 3, rel=0.06)
    data, wider, narrower = (
        exact.mean + s * exact.deviation * torch.randn(500, 1, 8, 8, generator=generator)
        for s in (1, 1.3, 0.7)
    )
    errors = [denoising_error(exact, exact.schedule, x, t).mean().item() for x in (data, wider, narrower)]
    of_data = exact.deviation**2 * (1 - gain * alpha_bar**0.5)  # the variance of x_0 given x_t
    assert errors[0] == pytest.approx(of_data, rel=0.03)
    if t != 3:  # with so little noise the image stands in x_t itself
        assert errors[2] < 0.9 * errors[0] and errors[1] > 1.1 * errors[0]


def test_denoising_error_orders_what_the_eye_orders(held_out):
    """Real sprites, what the small network drew, and halves that do not belong together."""
    small, better = load_checkpoint("small"), load_checkpoint("better")
    images, labels = held_out.images[::30], held_out.labels[::30]
    predict_noise = clipped(guided(folded(better.model), better.schedule, labels), better.schedule)
    sets = (
        images,
        draw(small, labels, "ddim-50", seed=0),
        torch.cat((images[:, :, :8], images.flip(0)[:, :, 8:]), dim=2),
    )
    errors = [denoising_error(predict_noise, better.schedule, x).mean() for x in sets]
    assert errors[1] > 1.5 * errors[0] and errors[2] > 1.2 * errors[1]
    per_image = [denoising_error(predict_noise, better.schedule, images, seed=s) for s in (0, 0, 1)]
    assert per_image[0].equal(per_image[1]) and not per_image[0].equal(per_image[2])
    more = [denoising_error(predict_noise, better.schedule, images, repeats=4, seed=s) for s in (0, 1)]
    agree = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in (more, per_image[1:])]
    assert agree[0] > agree[1] > 0.3


def test_denoising_error_refuses_what_has_no_meaning(exact):
    images = torch.zeros(1, 1, 4, 4)
    for t in (0, 41):
        with pytest.raises(ValueError, match=rf"t must lie in 1 .. 40, got {t}"):
            denoising_error(exact, exact.schedule, images, t)
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        denoising_error(exact, exact.schedule, images, repeats=0)


def test_the_name_of_a_sampler_chooses_the_variance():
    small, labels = load_checkpoint("small"), torch.eye(5)[:2]
    small = replace(small, schedule=NoiseSchedule.linear(8, 1e-2, 0.5))
    predict_noise = clipped(guided(small.model, small.schedule, labels), small.schedule)
    for name, variance in (("ddpm", "beta"), ("ddpm-posterior", "posterior")):
        generator = torch.Generator().manual_seed(4)
        x_T = torch.randn(2, 3, 16, 16, generator=generator)
        steps = sample_ddpm(predict_noise, small.schedule, x_T, variance=variance, generator=generator)
        assert torch.allclose(last(steps), draw(small, labels, name, seed=4), atol=1e-4)
