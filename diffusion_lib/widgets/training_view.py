"""A widget for lesson 03: the loss and the guessed clean images while a network trains, and a Stop button."""

import asyncio
import atexit
import threading
import time
import weakref

import ipywidgets
import numpy as np
import torch
from torch import nn

from ..data import ImageData
from ..schedule import NoiseSchedule
from ..training import train
from .base import Panel, Picture, labelled, row
from .training_pictures import guess_rows, loss_by_t_chart, loss_chart


class TrainingView(Panel):
    """Trains in the background: loss, loss by t and the guessed clean images at a chosen t, live, and Stop.

    view = TrainingView(model, schedule, data, num_epochs=3).run() starts it, `view` as a cell's last line
    shows it. The arguments after data are those of `train`, and the weights become the same. In a later
    cell `await view.finished()` (in a program `view.wait()`) comes back when training is over, and raises
    what went wrong in it. Stop, or interrupting the kernel, ends it after the step at hand: the models are
    left in evaluation mode and whole, and "Go on" trains on from there.

    t is the step whose guesses are shown first, images how many. After training: .ema_model is the model
    to sample from, .losses the loss of each step, .step the last TrainingStep. Controls: .t, .stop.
    """

    fallback = (
        "Training view: run this cell to watch the loss fall and the guessed clean images become sharp while "
        "the network trains, and to stop it when you have seen enough."
    )

    def __init__(
        self, model: nn.Module, schedule: NoiseSchedule, data: ImageData, *, t: int | None = None,
        images: int = 8, refresh: float = 0.5, **arguments
    ):  # fmt: skip
        t = schedule.num_steps // 5 if t is None else t
        schedule.index(t, lowest=1)
        super().__init__()
        self.model, self.schedule, self.refresh = model, schedule, refresh
        self.losses, self.step, self.error = [], None, None
        self.x_0, self.context = data.images[:images], data.labels[:images]
        self._noise = torch.randn(self.x_0.shape, generator=torch.Generator().manual_seed(1))
        self._steps = train(model, schedule, data, **arguments)
        self._thread, self._stopping, self._finished = None, threading.Event(), False
        self._redraw = threading.Event()

        self.stop = ipywidgets.Button(
            description="Stop", tooltip="Stop after this step; the model stays usable"
        )
        self.t = labelled(
            ipywidgets.IntSlider, "guess at t", value=t, min=1, max=schedule.num_steps, width="34em"
        )
        self.progress = labelled(ipywidgets.IntProgress, "training", value=0, min=0, max=1, width="34em")
        self.words = ipywidgets.HTML("Not started.")
        self.loss, self.by_t = Picture(smooth=True), Picture(smooth=True)
        self.guesses = Picture("From the top: x_0, x_t, and the network's guess of x_0")
        self.click(self.stop, self._press)
        self.watch(self.t, self._choose_t)
        self.fill(row(self.progress, self.stop), self.words, self.t, row(self.loss, self.by_t), self.guesses)
        self._draw()
        mine = weakref.ref(self)  # Python must not end while the thread is inside torch
        stop_at_exit = lambda: mine() and mine()._halt()  # noqa: E731
        atexit.register(stop_at_exit)
        self.at_close(lambda: atexit.unregister(stop_at_exit))
        self.at_close(self._steps.close)
        self.at_close(self._halt)

    @property
    def running(self) -> bool:
        """Whether training goes on right now."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def ema_model(self) -> nn.Module:
        """The model to sample from, in evaluation mode. RuntimeError while training still runs."""
        if self.running:
            raise RuntimeError("training still runs: await finished() first, or press Stop")
        return self.model.eval() if self.step is None else self.step.run.ema_model

    def run(self) -> "TrainingView":
        """Starts training, or goes on after Stop, and comes back at once with this view."""
        if not (self.running or self._finished or self.closed):
            self.error = None
            self._stopping.clear()
            self._thread = threading.Thread(target=self._train, name="TrainingView", daemon=True)
            self._thread.start()
            self.stop.description = "Stop"
        return self

    def wait(self) -> "TrainingView":
        """Comes back when training is over or stopped; interrupting the kernel stops it, too.

        Raises what the training raised, such as FloatingPointError.
        """
        try:
            while self.running:
                self._thread.join(timeout=0.1)
        except KeyboardInterrupt:
            self._halt()
        return self._result()

    async def finished(self) -> "TrainingView":
        """As wait(), for a notebook's cell: `await view.finished()` leaves Stop and the slider working.

        While an ordinary cell runs, the kernel takes no notice of any widget; while it awaits, it does.
        """
        try:
            while self.running:
                await asyncio.sleep(0.05)
        except (KeyboardInterrupt, asyncio.CancelledError):  # the kernel was interrupted
            self._halt()
        return self._result()

    def _result(self) -> "TrainingView":
        if self.error is not None:
            raise self.error
        return self

    def _halt(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _press(self, button) -> None:
        if self.running:
            self._stopping.set()
        else:
            self.run()

    def _choose_t(self, change) -> None:
        if self.running:
            self._redraw.set()
        else:
            self._draw()

    def _train(self) -> None:
        shown = time.monotonic()
        try:
            for step in self._steps:
                self.step = step
                self.losses.append(step.loss)
                if self._stopping.is_set():
                    break
                if self._redraw.is_set() or time.monotonic() - shown > self.refresh:
                    self._redraw.clear()
                    self._draw()
                    shown = time.monotonic()
        except Exception as error:  # it belongs to whoever calls wait(), and to the line in the panel
            self.error = error
        finally:
            self.model.eval()
            done = self.step is not None and self.step.step == self.step.num_steps
            self._finished = done or self.error is not None
            self._draw(over=True)
            if self._redraw.is_set():  # the slider moved during this last drawing
                self._draw(over=True)

    def _draw(self, over: bool = False) -> None:
        """All that is shown, from the state; called by the training thread while that runs."""
        step, T = self.step, self.schedule.num_steps
        num_steps = step.num_steps if step else 1
        t, model = self.t.value, step.run.ema_model if step else self.model
        training = model.training
        rows = guess_rows(model.eval(), self.schedule, self.x_0, self._noise, self.context, t)
        model.train(training)
        by_t = step.run.loss_by_t() if step else torch.full((1,), float("nan"))
        self.guesses.show(
            rows, f"Three rows of {len(self.x_0)} images: clean, noisy at t = {t}, and the guessed clean "
            f"ones after {len(self.losses)} steps", max(1, 600 // rows.shape[1]),
        )  # fmt: skip
        latest = f"{np.mean(self.losses[-20:]):.4f}" if self.losses else "not known yet"
        self.loss.show(loss_chart(self.losses, num_steps), f"Loss along training, now {latest}", 0.5)
        known = by_t[by_t.isfinite()].tolist()  # the text says what the curve does, not what it should do
        ends = f"from {known[0]:.3g} at small t to {known[-1]:.3g} at large t" if known else "not known yet"
        self.by_t.show(loss_by_t_chart(by_t, T, t), f"Loss by t of this epoch, {ends}", 0.5)
        self.progress.max, self.progress.value = num_steps, step.step if step else 0
        if step is not None:
            self.words.value = (
                f"{self._state(over)} step {step.step} of {num_steps}, epoch {step.epoch}, "
                f"loss {latest} (mean of the last {min(20, len(self.losses))})"
            )
        if over or self._finished:
            self.stop.disabled = self._finished
            self.stop.description = "Finished" if self._finished else "Go on"

    def _state(self, over: bool) -> str:
        if self.error is not None:
            return f"Ended by an error: {self.error}<br>"
        return "Finished:" if self._finished else "Stopped:" if over or not self.running else "Training:"
