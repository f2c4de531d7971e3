"""The context mixer: its controls, what it draws, what the judge says, Cancel, and closing."""

import threading
import time

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from torch import nn

from diffusion_lib.guidance import clipped, guided
from diffusion_lib.samplers import last, sample_ddim
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.unet import ContextUnet
from diffusion_lib.widgets import ContextMixer
from diffusion_lib.widgets.context_mixer import CELL, Draw, Settings, draw_picture
from diffusion_lib.widgets.judging import asked_class, class_names_for, counted, short_names

SCHEDULE = NoiseSchedule.linear(20, 1e-3, 0.4)


class Judge(nn.Module):
    """Sees class 1 in an image that is brighter than grey at its left upper pixel, else class 0."""

    def forward(self, images):
        bright = (images[:, 0, 0, 0] > 0).float()
        return torch.stack((1 - bright, bright), dim=1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ContextUnet(1, n_feat=8, n_cfeat=2, height=8).eval()


@pytest.fixture
def mixer(model):
    made = ContextMixer(model, SCHEDULE, ("cat", "dog"), judge=Judge())
    made.steps.value = 3
    yield made
    made.close()


class Slow(nn.Module):
    """A model that holds each step until the test lets it go on."""

    in_channels, n_cfeat, height = 1, 2, 8

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls, self.go_on = 0, threading.Semaphore(0)
        self.eval()

    def forward(self, x, t, c=None):
        self.calls += 1
        assert self.go_on.acquire(timeout=60)
        return x


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_draw_is_the_librarys_own_sampling_with_these_settings(mixer, model):
    mixer.classes[1].value, mixer.weight.value, mixer.seed.value = 0.5, 3.5, 7
    draw = mixer.draw()
    x_T = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(7))
    predict_noise = clipped(guided(model, SCHEDULE, torch.tensor([1, 0.5]), 3.5), SCHEDULE)
    expected = last(sample_ddim(predict_noise, SCHEDULE, x_T, num_steps=3))
    assert torch.equal(draw.images, expected)
    assert draw.settings == Settings((1.0, 0.5), 3.5, 3, 7)


@pytest.mark.parametrize(
    "change",
    [
        lambda mixer: setattr(mixer.classes[0], "value", 0),
        lambda mixer: setattr(mixer.classes[1], "value", 1),
        lambda mixer: setattr(mixer.weight, "value", 0),
        lambda mixer: setattr(mixer.steps, "value", 20),
        lambda mixer: setattr(mixer.seed, "value", 1),
    ],
    ids=["first class", "second class", "weight", "steps", "seed"],
)
def test_each_control_changes_the_picture(mixer, change):
    before = mixer.draw()
    change(mixer)
    after = mixer.draw()
    assert not torch.equal(before.images, after.images)
    assert mixer.pictures[0].png != mixer.pictures[1].png


def test_the_same_settings_draw_the_same(mixer):
    torch.manual_seed(5)
    first, state = mixer.draw(), torch.random.get_rng_state()
    second = mixer.draw()
    assert torch.equal(first.images, second.images)
    assert torch.equal(state, torch.random.get_rng_state())  # the notebook's own random state is left alone


def test_extremes_draw_without_an_error(mixer):
    for slider in (*mixer.classes, mixer.weight, mixer.steps):
        for value in (slider.min, slider.max):
            slider.value = value
            assert torch.isfinite(mixer.draw().images).all()
    mixer.seed.value = 10**12
    assert mixer.seed.value == mixer.seed.max
    mixer.draw()
    for slider in mixer.classes:
        slider.value = 0
    assert mixer.draw().settings.mixture(mixer.names) == "no class"


def test_the_last_draws_stay_beside_each_other_with_their_settings(mixer):
    for seed in range(6):
        mixer.seed.value = seed
        mixer.draw()
    assert [draw.settings.seed for draw in mixer.draws] == [5, 4, 3, 2]
    for draw, picture, label in zip(mixer.draws, mixer.pictures, mixer.labels):
        assert f"seed {draw.settings.seed}" in label.value and "cat 1" in label.value
        assert f"seed {draw.settings.seed}" in picture.alt
        assert draw.verdict(mixer.names) in label.value and draw.verdict(mixer.names) in picture.alt


def test_the_judges_word_stands_under_each_image():
    images = torch.stack([torch.full((1, 8, 8), value) for value in (-1.0, 1.0, 1.0)])
    settings = Settings((0.0, 0.7), 1, 5, 0)
    draw = Draw(settings, images, [0, 1, 1], 0.1)
    assert draw.right == [False, True, True]
    assert draw.verdict(("cat", "dog")) == "judge sees: dog 2, cat 1"
    pixels = draw_picture(draw, ("cat", "dog"))
    side = 2 * CELL
    assert (pixels[8 : side - 8, 8 : side - 8] == 0).all()  # the first image is black
    assert (pixels[side : side + 40, :side] < 100).any()  # and has a word under it
    silent = draw_picture(Draw(settings, images, [], 0.1), ("cat", "dog"))
    assert (silent[side : side + 40, :side] == 255).all()
    mixed = draw_picture(Draw(Settings((0.5, 0.7), 1, 5, 0), images, [0, 1, 1], 0.1), ("cat", "dog"))
    assert not np.array_equal(mixed, pixels)  # no tick and no cross where a mixture was asked for


def test_what_is_right_is_known_for_one_class_only():
    assert asked_class(torch.tensor([0.0, 0.4]), 3) == [1, 1, 1]
    assert asked_class(torch.eye(3), 3) == [0, 1, 2]
    for context in (None, torch.zeros(2), torch.tensor([1.0, 0.2]), torch.tensor([-1.0, 0])):
        assert asked_class(context, 3) is None
    assert counted([1, 0, 1], ("cat", "dog")) == "dog 2, cat 1"


def test_the_button_draws_in_the_background(mixer):
    mixer.button.click()
    mixer.seed.value = 3  # after the press: it counts for the next draw
    mixer.work.wait()
    assert [draw.settings.seed for draw in mixer.draws] == [0]
    assert mixer.progress.value == mixer.progress.max == 3
    assert mixer.words.value.startswith("Drawn in")
    assert not mixer.button.disabled and mixer.cancel.disabled
    mixer.button.click()
    mixer.work.wait()
    assert [draw.settings.seed for draw in mixer.draws] == [3, 0]


def test_cancel_ends_after_the_step_at_hand_and_leaves_it_usable():
    model = Slow()
    mixer = ContextMixer(model, SCHEDULE)
    mixer.weight.value, mixer.steps.value = 1, 10
    mixer.button.click()
    wait_until(lambda: model.calls == 1)
    assert mixer.work.running and mixer.button.disabled and not mixer.cancel.disabled
    mixer.button.click()  # a second press changes nothing
    with pytest.raises(RuntimeError, match="runs already"):
        mixer.draw()
    mixer.cancel.click()
    model.go_on.release(100)
    mixer.work.wait()
    assert mixer.words.value == "Cancelled after 0 of 10 steps." and mixer.draws == []
    assert model.calls == 1 and not mixer.button.disabled
    assert mixer.draw().images.shape == (4, 1, 8, 8)
    mixer.close()


def test_closing_while_it_draws_ends_the_thread_and_leaves_nothing():
    before, threads = set(_instances), set(threading.enumerate())
    model = Slow()
    mixer = ContextMixer(model, SCHEDULE)
    mixer.button.click()
    wait_until(lambda: model.calls == 1)
    mixer.work.stop()
    model.go_on.release(100)
    mixer.close()
    assert set(_instances) == before and set(threading.enumerate()) == threads


def test_an_error_stands_in_the_words_and_is_raised_by_draw(mixer, model):
    model.train()
    mixer.button.click()
    mixer.work.wait()
    assert mixer.words.value.startswith("Ended by an error: the model is in training mode")
    assert not mixer.button.disabled
    with pytest.raises(ValueError, match="training mode"):
        mixer.draw()
    model.eval()
    mixer.draw()
    assert mixer.words.value.startswith("Drawn")


def test_names_and_judge_by_default():
    sprites = ContextUnet(3, n_feat=8, n_cfeat=5, height=16).eval()
    mixer = ContextMixer(sprites, SCHEDULE)
    assert [slider.description for slider in mixer.classes] == [
        "hero", "non-hero", "food", "spell & item", "side-facing",
    ]  # fmt: skip
    mixer.steps.value = 1
    assert len(mixer.draw().seen) == 4 and "judge sees" in mixer.labels[0].value
    mixer.close()
    silent = ContextMixer(sprites, SCHEDULE, judge=False)
    silent.steps.value = 1
    assert silent.draw().seen == [] and "judge" not in silent.labels[0].value
    silent.close()
    digits = ContextUnet(1, n_feat=8, n_cfeat=3, height=16)
    assert class_names_for(digits) == ("class 0", "class 1", "class 2")


def test_names_that_do_not_fit_are_refused(model):
    before = len(_instances)
    with pytest.raises(ValueError, match="the model has 2 classes, got 1 class names"):
        ContextMixer(model, SCHEDULE, ["cat"])
    with pytest.raises(ValueError, match=r"judge must give \(N, 2\) scores, .* got \(1, 5\) for one image"):
        ContextMixer(model, SCHEDULE, ["cat", "dog"], judge=lambda images: torch.zeros(len(images), 5))
    assert len(_instances) == before


def test_every_control_is_labelled(mixer):
    controls = (*mixer.classes, mixer.weight, mixer.steps, mixer.seed, mixer.button, mixer.cancel)
    assert [control.description for control in controls] == [
        "cat", "dog", "guidance", "steps", "seed", "Draw", "Cancel",
    ]  # fmt: skip
    assert repr(mixer) == ContextMixer.fallback and repr(mixer).endswith(".")


def test_a_picture_takes_less_than_30_ms(mixer):
    draw = mixer.draw()
    spent = []
    for _ in range(3):
        started = time.process_time()
        draw_picture(draw, mixer.names)
        spent.append(time.process_time() - started)
    assert min(spent) < 0.03


def test_many_draws_make_no_new_widgets(mixer):
    mixer.draw()
    before = set(_instances)
    for _ in range(5):
        mixer.draw()
    assert set(_instances) == before


def test_names_are_shortened_where_no_two_become_one():
    names = ("food/apple", "food/dragon", "pets/dragon", "hero")
    assert short_names(names) == ["apple", "food/dragon", "pets/dragon", "hero"]


def test_of_many_classes_two_are_chosen_by_name():
    torch.manual_seed(0)
    model = ContextUnet(3, n_feat=8, n_cfeat=13, height=16).eval()
    names = tuple(f"pets/{letter}" for letter in "abcdefghijklm")
    mixer = ContextMixer(model, SCHEDULE, names, judge=lambda images: torch.eye(13)[[4] * len(images)])
    mixer.steps.value = 2
    assert [len(mixer.choices), len(mixer.classes)] == [2, 2]
    assert mixer.settings.mixture(names) == "pets/a 1"
    mixer.choices[0].value, mixer.choices[1].value, mixer.classes[1].value = 4, 12, 0.5
    draw = mixer.draw()
    assert draw.settings.mixture(names) == "pets/e 1, pets/m 0.5" and draw.right is None
    assert draw.verdict(names) == "judge sees: pets/e 4"
    x_T = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    context = torch.zeros(13)
    context[[4, 12]] = torch.tensor([1, 0.5])
    predict_noise = clipped(guided(model, SCHEDULE, context, 2), SCHEDULE)
    assert torch.equal(draw.images, last(sample_ddim(predict_noise, SCHEDULE, x_T, num_steps=2)))
    mixer.choices[1].value, mixer.classes[0].value = 4, 0.25
    assert mixer.settings.mixture(names) == "pets/e 0.75", "the same one twice adds up"
    assert mixer.draw().right == [True] * 4
    mixer.close()
