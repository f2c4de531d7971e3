"""The DDIM explorer: the grid, what each cell tells, picking, playing, Cancel, and closing."""

import threading
import time

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from torch import nn

from diffusion_lib.data import to_display
from diffusion_lib.guidance import clipped, guided
from diffusion_lib.samplers import last, sample_ddim, sample_ddpm
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.unet import ContextUnet
from diffusion_lib.widgets import DdimExplorer
from diffusion_lib.widgets.base import BLUE
from diffusion_lib.widgets.ddim_explorer import Setting

SCHEDULE = NoiseSchedule.linear(20, 1e-3, 0.4)


class Judge(nn.Module):
    """Sees class 1 everywhere."""

    def forward(self, images):
        return torch.tensor([0.0, 1.0]).expand(len(images), -1)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return ContextUnet(1, n_feat=8, n_cfeat=2, height=8).eval()


@pytest.fixture
def x_T():
    return torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def explorer(model, x_T):
    context = torch.eye(2)[[1, 0, 1, 1]]
    made = DdimExplorer(model, SCHEDULE, x_T, context, steps=(2, 5), etas=(0, 1), judge=Judge())
    yield made
    made.close()


def test_each_cell_is_the_librarys_own_sampling_from_the_one_noise(explorer, model, x_T):
    explorer.run()
    predict_noise = clipped(guided(model, SCHEDULE, torch.eye(2)[[1, 0, 1, 1]]), SCHEDULE)
    assert set(explorer.outcomes) == {Setting(n, eta) for n in (2, 5) for eta in (0.0, 1.0)} | {Setting(20)}
    for setting, outcome in explorer.outcomes.items():
        generator = torch.Generator().manual_seed(0)
        if setting.eta is None:
            steps = sample_ddpm(predict_noise, SCHEDULE, x_T, generator=generator)
        else:
            steps = sample_ddim(
                predict_noise,
                SCHEDULE,
                x_T,
                num_steps=setting.num_steps,
                eta=setting.eta,
                generator=generator,
            )
        assert torch.equal(outcome.images, last(steps))
        assert outcome.frames.num_evaluations == setting.num_steps
        assert np.array_equal(outcome.frames.pixels[0, :, 0], to_display(x_T))
        assert outcome.seconds > 0 and outcome.right == 3


def test_a_cell_shows_time_quality_and_its_images(explorer):
    setting = Setting(5, 1.0)
    assert explorer.cells[setting].disabled and explorer._lines[setting].value == "not sampled yet"
    empty = explorer.pictures[setting].png
    explorer.run()
    assert not explorer.cells[setting].disabled
    line = explorer._lines[setting].value
    assert line.endswith(" s · 3 of 4 right") and line in explorer.pictures[setting].alt
    assert explorer.pictures[setting].png != empty
    assert explorer.words.value == "Choose a cell to play its path."
    assert explorer.progress.value == explorer.progress.max == 2 * (2 + 5) + 20


def test_picking_a_cell_plays_its_path(explorer):
    assert explorer.player.layout.display == "none"  # no path yet
    explorer.run()
    assert explorer.player.layout.display is None and explorer.chosen == Setting(2, 0.0)
    for setting in explorer.settings:
        explorer.player.view.frame = 1
        explorer.cells[setting].click()
        assert explorer.chosen == setting and str(setting) in explorer.heading.value
        assert explorer.player.frames is explorer.outcomes[setting].frames
        assert explorer.player.view.frame == 0
        assert len(explorer.player.view.captions) == setting.num_steps + 1
        marked = [s for s in explorer.settings if BLUE in explorer._boxes[s].layout.border_top]
        assert marked == [setting]
        assert [s for s in explorer.settings if explorer.cells[s].icon] == [setting]  # not by colour alone
    explorer.pick(5, 1)
    assert explorer.chosen == Setting(5, 1.0)
    explorer.pick()
    assert explorer.chosen == Setting(20)


def test_the_chosen_sample_stays_when_another_cell_is_picked(explorer):
    explorer.run()
    explorer.player.view.sample = 2
    explorer.pick(5, 1)
    assert explorer.player.view.sample == 2


def test_a_cell_that_is_not_there_or_not_sampled_is_refused(explorer):
    with pytest.raises(ValueError, match="DDIM, 5 steps, η = 1 has not been sampled yet"):
        explorer.pick(5, 1)
    with pytest.raises(ValueError, match="no cell for DDIM, 3 steps, η = 0, only DDIM, 2 steps"):
        explorer.pick(3)


@pytest.mark.parametrize("context", [None, torch.tensor([0.5, 0.5])], ids=["none", "mixture"])
def test_without_one_class_asked_for_there_is_no_quality(model, x_T, context):
    explorer = DdimExplorer(model, SCHEDULE, x_T, context, steps=(2,), etas=(0,), judge=Judge())
    explorer.run()
    assert all(outcome.right is None for outcome in explorer.outcomes.values())
    assert explorer._lines[Setting(2, 0.0)].value.endswith(" s")
    explorer.close()


def test_the_shipped_judge_comes_by_itself_for_sprites():
    sprites = ContextUnet(3, n_feat=8, n_cfeat=5, height=16).eval()
    x_T = torch.randn(2, 3, 16, 16)
    explorer = DdimExplorer(sprites, SCHEDULE, x_T, torch.eye(5)[0], steps=(1,), etas=(0,))
    assert explorer.judge is not None
    explorer.run()
    assert explorer.outcomes[Setting(1, 0.0)].right in (0, 1, 2)
    explorer.close()
    silent = DdimExplorer(sprites, SCHEDULE, x_T, torch.eye(5)[0], steps=(1,), etas=(0,), judge=False)
    assert silent.judge is None
    silent.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"steps": (0,)}, "1 .. 20, got 0"),
        ({"steps": (21,)}, "1 .. 20, got 21"),
        ({"steps": (2.5,)}, "1 .. 20, got 2.5"),
        ({"etas": (1.5,)}, "etas must lie between 0 and 1, got 1.5"),
        ({"x_T": torch.zeros(8, 8)}, "x_T must be images"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_made(model, x_T, arguments, words):
    before = len(_instances)
    with pytest.raises(ValueError, match=words):
        DdimExplorer(model, SCHEDULE, **({"x_T": x_T, "steps": (2,)} | arguments))
    assert len(_instances) == before


def test_extremes_and_repeats(model, x_T):
    explorer = DdimExplorer(model, SCHEDULE, x_T[:1], steps=(1, 20, 1), etas=(0, 0.0, 1))
    assert len(explorer.cells) == 5  # each once
    explorer.run()
    explorer.run()
    assert len(explorer.outcomes) == 5
    assert Setting(1, 0.0).short == "1 step, η = 0" and str(Setting(20)) == "DDPM, 20 steps"
    explorer.close()


def test_the_button_samples_in_the_background_and_cancel_keeps_what_is_done(model, x_T):
    reached, go_on = threading.Event(), threading.Event()

    class Gate(nn.Module):
        in_channels, n_cfeat, height = 1, 2, 8
        calls = 0

        def forward(self, x, t, c=None):
            self.calls += 1
            if self.calls == 6:  # the first cell made two calls, the second one three so far
                reached.set()
                assert go_on.wait(60)
            return x

    explorer = DdimExplorer(Gate().eval(), SCHEDULE, x_T, steps=(2, 5), etas=(0,))
    explorer.button.click()
    assert reached.wait(60)
    assert set(explorer.outcomes) == {Setting(2, 0.0)} and explorer.button.disabled
    explorer.pick(2)  # what is done can be played while the rest goes on
    with pytest.raises(RuntimeError, match="runs already"):
        explorer.run()
    explorer.cancel.click()
    go_on.set()
    explorer.work.wait()
    assert explorer.words.value.startswith("Cancelled after 6 of 27 steps")
    assert set(explorer.outcomes) == {Setting(2, 0.0)} and not explorer.button.disabled
    explorer.button.click()
    explorer.work.wait()
    assert len(explorer.outcomes) == 3
    explorer.close()


def test_closing_leaves_no_widget_and_no_thread(model, x_T):
    before, threads = set(_instances), set(threading.enumerate())
    explorer = DdimExplorer(model, SCHEDULE, x_T, steps=(2,), etas=(0,))
    explorer.button.click()
    explorer.close()
    explorer.close()
    assert set(_instances) == before and set(threading.enumerate()) == threads


def test_runs_and_picks_make_no_new_widgets(explorer):
    explorer.run()
    before = set(_instances)
    for _ in range(3):
        explorer.run()
        explorer.pick()
        explorer.pick(2)
    assert set(_instances) == before


def test_a_pick_takes_less_than_30_ms(explorer):
    explorer.run()
    spent = []
    for eta in (0, 1, 0):
        started = time.process_time()
        explorer.pick(5, eta)
        spent.append(time.process_time() - started)
    assert min(spent) < 0.03


def test_every_control_has_words(explorer):
    assert explorer.button.description == "Sample all" and explorer.cancel.description == "Cancel"
    assert [button.description for button in explorer.cells.values()] == [
        "2 steps, η = 0", "2 steps, η = 1", "5 steps, η = 0", "5 steps, η = 1", "DDPM, 20 steps",
    ]  # fmt: skip
    assert all(picture.alt for picture in explorer.pictures.values())
    assert repr(explorer) == DdimExplorer.fallback and repr(explorer).endswith(".")
