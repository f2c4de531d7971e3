"""The training view: the same weights as `train`, Stop that leaves a usable model, no thread left behind."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances

from diffusion_lib.data import ImageData
from diffusion_lib.guidance import guided
from diffusion_lib.samplers import last, sample_ddim
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.training import train
from diffusion_lib.unet import ContextUnet
from diffusion_lib.widgets import TrainingView
from diffusion_lib.widgets.training_pictures import guess_rows, loss_by_t_chart, loss_chart

SCHEDULE = NoiseSchedule.linear(50, 1e-3, 0.2)


@pytest.fixture
def data():
    images = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return ImageData(images, torch.eye(2)[torch.arange(40) % 2], ("a", "b"))


def network():
    torch.manual_seed(0)
    return ContextUnet(3, n_feat=8, n_cfeat=2, height=8)


@pytest.fixture
def view(data):
    made = []

    def make(**arguments):
        made.append(TrainingView(network(), SCHEDULE, data, **{"num_epochs": 3, "batch_size": 8} | arguments))
        return made[-1]

    yield make
    for panel in made:
        panel.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "TrainingView"]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def stopped_at(panel, steps):
    """Presses Stop after that many steps and waits until it has stopped."""
    panel.run()
    wait_for(lambda: len(panel.losses) >= steps)
    panel.stop.click()
    return panel.wait()


def test_it_trains_to_the_end_with_the_weights_of_train(view, data):
    panel = view(seed=3, refresh=0).run().wait()  # refresh 0: pictures after each step
    model = network()
    *_, step = train(model, SCHEDULE, data, num_epochs=3, batch_size=8, seed=3)
    assert len(panel.losses) == panel.step.num_steps == 15
    for ours, theirs in ((panel.model, model), (panel.ema_model, step.run.ema_model)):
        for name, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], value), name
    assert not panel.running and not panel.model.training and not panel.ema_model.training
    assert panel.progress.value == panel.progress.max == 15
    assert panel.stop.disabled and panel.words.value.startswith("Finished: step 15 of 15, epoch 3")


def test_pictures_and_words_change_while_it_trains(view):
    panel = view(num_epochs=400, refresh=0)
    before = panel.loss.png, panel.guesses.png
    panel.run()
    wait_for(lambda: panel.words.value.startswith("Training: step"))
    wait_for(lambda: panel.loss.png != before[0] and panel.guesses.png != before[1])
    assert panel.running and panel.stop.description == "Stop"
    with pytest.raises(RuntimeError, match="still runs"):
        _ = panel.ema_model
    panel.t.value = 40
    wait_for(lambda: "t = 40" in panel.guesses.alt)
    panel.stop.click()
    panel.wait()
    assert len(panel.losses) < 2000


def test_stop_leaves_a_usable_model_and_go_on_ends_like_an_unbroken_run(view, data):
    panel = stopped_at(view(num_epochs=20, seed=1), steps=5)
    assert 5 <= len(panel.losses) < 100 and not panel.running
    assert panel.stop.description == "Go on" and not panel.stop.disabled
    assert panel.words.value.startswith(f"Stopped: step {len(panel.losses)} of 100")
    x_T = torch.randn(2, 3, 8, 8)
    for model in (panel.ema_model, panel.model):  # guided refuses a model in training mode
        assert torch.isfinite(last(sample_ddim(guided(model, SCHEDULE), SCHEDULE, x_T, num_steps=3))).all()
    panel.stop.click()  # Go on
    assert panel.wait().step.step == 100
    model = network()
    for _ in train(model, SCHEDULE, data, num_epochs=20, batch_size=8, seed=1):
        pass
    assert all(torch.equal(a, b) for a, b in zip(panel.model.parameters(), model.parameters()))


def test_the_slider_redraws_before_and_after_training(view):
    panel = view(num_epochs=1, t=7, images=4)
    assert "t = 7" in panel.guesses.alt and "Three rows of 4 images" in panel.guesses.alt
    before = panel.guesses.png
    for t in (1, 50):
        panel.t.value = t
        assert f"t = {t}," in panel.guesses.alt and panel.guesses.png != before
    panel.run().wait()
    for t in (1, 50):
        panel.t.value = t
        assert f"t = {t}," in panel.guesses.alt and "after 5 steps" in panel.guesses.alt


def test_run_and_wait_in_any_order_and_number(view):
    panel = view(num_epochs=2)
    assert panel.wait() is panel and panel.losses == []  # nothing runs: nothing to wait for
    assert panel.ema_model is panel.model and not panel.model.training
    assert panel.run().run().wait().wait() is panel
    panel.run()  # over: not again
    assert len(panel.losses) == 10 and not panel.running


def test_awaiting_lets_the_kernel_take_notice_of_stop(view):
    """While the cell awaits, the event loop serves the widgets: here a press of Stop after a while."""
    panel = view(num_epochs=400).run()

    async def cell():
        asyncio.get_running_loop().call_later(0.3, panel.stop.click)
        return await panel.finished()

    assert asyncio.run(cell()) is panel
    assert not panel.running and len(panel.losses) < 2000 and panel.stop.description == "Go on"


def test_interrupting_an_awaiting_cell_stops(view):
    panel = view(num_epochs=400).run()

    async def cell():
        waiting = asyncio.ensure_future(panel.finished())
        await asyncio.sleep(0.2)
        waiting.cancel()
        return await waiting

    assert asyncio.run(cell()) is panel
    assert not panel.running and len(panel.losses) < 2000


def test_interrupting_wait_stops(view, monkeypatch):
    panel = view(num_epochs=400).run()
    wait_for(lambda: panel.losses)
    real, calls = panel._thread.join, []

    def join(timeout=None):
        calls.append(timeout)
        if len(calls) == 1:
            raise KeyboardInterrupt
        real(timeout)

    monkeypatch.setattr(panel._thread, "join", join)
    panel.wait()
    assert not panel.running and 1 <= len(panel.losses) < 2000


def test_an_error_is_told_in_the_panel_and_raised_by_wait(view, data):
    data.images[5] = float("nan")
    panel = view(num_epochs=3).run()
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        panel.wait()
    assert "Ended by an error: the loss is nan" in panel.words.value or not panel.losses
    assert panel.stop.disabled and not panel.model.training


def test_closing_while_it_trains_ends_the_thread_and_leaves_nothing(view):
    before = set(_instances)
    for _ in range(3):
        panel = view(num_epochs=400, refresh=0).run()
        wait_for(lambda: panel.losses)
        thread = panel._thread
        panel.close()
        assert not thread.is_alive()
        assert not panel.run().running  # closed is closed
    assert set(_instances) == before


def test_python_ends_cleanly_while_it_trains():
    code = (
        "import time, torch\n"
        "from tests.widgets.test_training_view import network, SCHEDULE\n"
        "from diffusion_lib.data import ImageData\n"
        "from diffusion_lib.widgets import TrainingView\n"
        "data = ImageData(torch.rand(40, 3, 8, 8), torch.eye(2)[torch.arange(40) % 2], ('a', 'b'))\n"
        "view = TrainingView(network(), SCHEDULE, data, num_epochs=9999, batch_size=8).run()\n"
        "while len(view.losses) < 3: time.sleep(0.01)\n"
        "print('bye')"
    )
    root = Path(__file__).parent.parent.parent
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "bye\n", "")


def test_wrong_arguments_are_named_at_once(data):
    for arguments, words in (({"t": 0}, "t must lie in 1 .. 50"), ({"t": 51}, "t must lie in 1 .. 50")):
        with pytest.raises(ValueError, match=words):
            TrainingView(network(), SCHEDULE, data, num_epochs=1, **arguments)


def test_a_wrong_argument_of_train_is_raised_by_wait(view):
    with pytest.raises(ValueError, match="num_epochs must be at least 1"):
        view(num_epochs=0).run().wait()


def test_controls_are_labelled_and_pictures_have_a_text(view):
    panel = view()
    for control in (panel.t, panel.stop, panel.progress):
        assert control.description
    assert panel.by_t.alt.endswith("not known yet")
    for picture in (panel.loss, panel.by_t, panel.guesses):
        assert len(picture.alt) > 20 and f'alt="{picture.alt.split()[0]}' in picture.value
    assert repr(panel).startswith("Training view: run this cell")


def test_the_guess_is_the_formula_and_training_mode_is_not_needed(data):
    model = network().eval()
    noise = torch.randn(4, 3, 8, 8)
    rows = guess_rows(model, SCHEDULE, data.images[:4], noise, data.labels[:4], 20)
    assert rows.shape == (3 * 10, 4 * 10, 3) and rows.dtype == np.uint8

    class Exact(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x, t, c):
            assert t.item() == pytest.approx(20 / 50)
            return noise

    exact = guess_rows(Exact(), SCHEDULE, data.images[:4], noise, data.labels[:4], 20).astype(int)
    assert np.abs(exact[:10] - exact[20:]).max() <= 1  # the right noise gives x_0 back


@pytest.mark.parametrize("count", [0, 1, 2, 29, 5000])
def test_the_loss_chart_holds_any_number_of_losses(count):
    losses = np.linspace(1, 0.01, count) if count else []
    pixels = loss_chart(losses, max(count, 10))
    assert pixels.shape == (380, 600, 3)
    blue = (pixels == (0, 114, 178)).all(axis=2).sum()
    assert (blue > 100) == (count > 59)  # the mean is drawn where it is of more than one


@pytest.mark.parametrize("values", [[float("nan")] * 20, [0.0] * 20, [0.5] * 20, [float("nan"), 1e-9, 40.0]])
def test_the_chart_by_t_holds_any_loss(values):
    assert loss_by_t_chart(torch.tensor(values), 500, 1).shape == (380, 600, 3)


def test_losses_that_are_no_numbers_or_zero_are_drawn_too():
    for losses in ([0.0, 0.0], [1e12, 1e-12]):
        assert loss_chart(losses, 2).shape == (380, 600, 3)
