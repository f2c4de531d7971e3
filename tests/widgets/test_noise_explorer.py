"""The noise explorer: what each choice shows, and each control driven as a learner would."""

import time

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances

from diffusion_lib.data import to_display
from diffusion_lib.schedule import NoiseSchedule, add_noise
from diffusion_lib.widgets import NoiseExplorer
from diffusion_lib.widgets.noise_explorer import noise_pictures, sentence

LINEAR, COSINE = NoiseSchedule.linear(), NoiseSchedule.cosine(300)


@pytest.fixture
def images():
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def explorer(images):
    panel = NoiseExplorer(images, {"linear": LINEAR, "cosine": COSINE})
    yield panel
    panel.close()


def noise_like(x):
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(5))


def shown(panel):
    """All that the learner can see."""
    pictures = (panel.clean, panel.noise_shown, panel.noisy, panel.histogram, panel.snr, panel.factors)
    return [picture.png for picture in pictures]


def test_x_t_is_what_add_noise_gives(images):
    noise = noise_like(images)
    result = noise_pictures(LINEAR, images[0], noise[0], 100)
    assert np.array_equal(result.x_t, to_display(add_noise(LINEAR, images[:1], 100, noise[:1]))[0])
    assert result.kept == pytest.approx(LINEAR.alpha_bar[100].sqrt().item())
    assert result.measured == pytest.approx(result.expected, rel=0.05)


def test_the_bug_is_measured_with_the_strength_of_the_labs(images):
    """SPEC 3, bug 1: 0.188 instead of 0.433 at t = 100."""
    result = noise_pictures(LINEAR, images[0], noise_like(images[0]), 100, missing_root=True)
    assert result.expected == pytest.approx(0.433, abs=0.001)
    assert result.measured == pytest.approx(0.188, rel=0.05)
    words = sentence(result, 100, True)
    assert "only 4" in words and f"{result.measured:.4f}" in words
    assert "only" not in sentence(result, 100, False)


@pytest.mark.parametrize("missing_root", [False, True])
def test_both_ends_of_t(images, missing_root):
    noise = noise_like(images[0])
    start = noise_pictures(LINEAR, images[0], noise, 0, missing_root)
    assert np.array_equal(start.x_t, to_display(images[:1])[0])
    assert start.measured == 0 and start.ratio == float("inf")
    assert "infinite" in sentence(start, 0, missing_root)
    end = noise_pictures(LINEAR, images[0], noise, 500, missing_root)
    assert end.measured == pytest.approx(1, abs=0.1) and end.kept == pytest.approx(0.0795, abs=0.001)


def test_grey_images_and_other_dtypes(images):
    for x in (images[:, :1], images.double(), images.half()):
        result = noise_pictures(COSINE, x[0], noise_like(x[0]).to(x.dtype), 150)
        assert result.x_t.shape == (16, 16, 3) and np.isfinite(result.deviation)


def test_t_changes_what_depends_on_it_and_nothing_else(explorer):
    before = shown(explorer)
    explorer.t.value = 400
    after = shown(explorer)
    assert [a != b for a, b in zip(before, after)] == [False, False, True, True, True, True]
    assert "t = 400" in explorer.noisy.alt and "t = 400" in explorer.noisy.value
    assert explorer.noisy.value in explorer.pictures.value  # what the browser has
    explorer.t.value = 100
    assert shown(explorer) == before


def test_image_noise_and_bug_controls(explorer):
    before = shown(explorer)
    explorer.image.value = 3
    assert [a != b for a, b in zip(before, shown(explorer))] == [True, False, True, True, False, False]
    explorer.image.value = 99
    assert explorer.image.value == 3  # kept in range
    explorer.image.value = 0
    explorer.new_noise.click()
    assert [a != b for a, b in zip(before, shown(explorer))] == [False, True, True, True, False, False]
    before = shown(explorer)
    explorer.missing_root.value = True
    assert [a != b for a, b in zip(before, shown(explorer))] == [False, False, True, True, False, True]
    assert "% of that" in explorer.words.value
    explorer.missing_root.value = False
    assert shown(explorer) == before


def test_another_schedule_keeps_the_place_along_it(explorer):
    explorer.t.value = 250
    explorer.schedule.value = "cosine"
    assert (explorer.t.value, explorer.t.max) == (150, 300)
    assert "t = 150 of 300" in explorer.noisy.alt
    explorer.t.value = 300
    explorer.schedule.value = "linear"
    assert (explorer.t.value, explorer.t.max) == (500, 500)
    for end in (0, 500):
        explorer.t.value = end
        explorer.schedule.value = "cosine"
        explorer.schedule.value = "linear"
        assert explorer.t.value == end


def test_two_schedules_of_one_length(images):
    panel = NoiseExplorer(images, {"a": LINEAR, "b": NoiseSchedule.cosine(500)})
    before = shown(panel)
    panel.schedule.value = "b"
    assert panel.t.max == 500 and shown(panel) != before
    panel.close()


def test_a_schedule_of_one_step(images):
    panel = NoiseExplorer(images, {"one": NoiseSchedule.linear(1, 0.5, 0.5)})
    panel.t.value = 1
    assert "t = 1 of 1" in panel.noisy.alt
    panel.close()


def test_all_controls_have_labels_and_pictures_a_text(explorer):
    for control in (explorer.t, explorer.image, explorer.schedule, explorer.missing_root, explorer.new_noise):
        assert control.description
    for picture in (explorer.clean, explorer.noise_shown, explorer.noisy, explorer.histogram, explorer.snr):
        assert len(picture.alt) > 10 and picture.alt.split()[0] in picture.value
        assert picture.value in explorer.pictures.value


def test_long_use_keeps_no_widgets_and_stays_quick(images):
    before = set(_instances)
    panel = NoiseExplorer(images, {"linear": LINEAR, "cosine": COSINE})
    alive = len(_instances)
    start = time.process_time()
    for t in range(0, 500, 5):
        panel.t.value = t
    assert (time.process_time() - start) / 100 < 0.2  # 0.017 s on an idle core; a figure of matplotlib is 0.2
    assert len(_instances) == alive
    panel.close()
    assert set(_instances) == before


def test_wrong_arguments_are_named(images):
    with pytest.raises(ValueError, match="images must be"):
        NoiseExplorer(images[0], {"linear": LINEAR})
    with pytest.raises(ValueError, match="at least one NoiseSchedule"):
        NoiseExplorer(images, {})
    assert "Noise explorer" in NoiseExplorer.fallback
