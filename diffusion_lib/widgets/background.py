"""Work that takes seconds, such as sampling: in a thread, with a progress bar and a Cancel button."""

import atexit
import html
import threading
import time
import weakref
from collections.abc import Callable, Generator

import ipywidgets

from .base import Panel, labelled

Progress = Generator[tuple[int, int], None, None]


class Background:
    """The buttons, the bar and the line of words for one kind of work, which runs once at a time.

    `prepare` is called at the press of the button and gives a generator of (steps done, steps in all), in
    which the work happens. It runs in a thread, so that the kernel hears of Cancel, or in `run`, which
    comes back when all is done. Cancel closes the generator after the step at hand. What the work raises
    stands in the words; `run` raises it, too. `.words` can be set by the work itself.
    """

    refresh = 0.1  # seconds between two movements of the bar

    def __init__(self, panel: Panel, label: str, hint: str, prepare: Callable[[], Progress]):
        self._label, self._prepare = label, prepare
        self.button = ipywidgets.Button(description=label, tooltip=hint, button_style="primary")
        self.cancel = ipywidgets.Button(description="Cancel", tooltip="Stop after this step", disabled=True)
        self.progress = labelled(ipywidgets.IntProgress, "progress", value=0, min=0, max=1, width="26em")
        self.words = ipywidgets.HTML().add_class("course-status")  # a screen reader says what changes
        self._thread, self._cancelled, self._busy = None, threading.Event(), threading.Lock()
        panel.click(self.button, self.start)
        panel.click(self.cancel, self.stop)
        mine = weakref.ref(self)  # Python must not end while the thread is inside torch
        stop_at_exit = lambda: mine() and mine().finish()  # noqa: E731
        atexit.register(stop_at_exit)
        panel.at_close(lambda: atexit.unregister(stop_at_exit))
        panel.at_close(self.finish)

    @property
    def running(self) -> bool:
        """Whether the work goes on right now."""
        return self._busy.locked()

    def start(self, button=None) -> None:
        """Starts the work in a thread and comes back at once. Nothing happens where it runs already."""
        steps = self._begin()
        if steps is not None:
            self._thread = threading.Thread(target=self._work, args=(steps,), name=self._label, daemon=True)
            self._thread.start()

    def run(self) -> None:
        """Does the work here and now, to its end. RuntimeError where it runs already in the thread."""
        steps = self._begin()
        if steps is None:
            raise RuntimeError("it runs already: wait until it is done, or press Cancel")
        self._work(steps, raising=True)

    def stop(self, button=None) -> None:
        """Asks the work to end after the step at hand."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> None:
        """Comes back when the thread is done."""
        if self._thread is not None:
            self._thread.join(timeout)

    def finish(self) -> None:
        """Ends the work and waits until it has ended."""
        self.stop()
        self.wait()

    def _begin(self) -> Progress | None:
        """The work, not yet begun, or None where some runs already."""
        if not self._busy.acquire(blocking=False):
            return None
        self._cancelled.clear()
        self.button.disabled, self.cancel.disabled = True, False
        self.progress.value, self.words.value = 0, "Working."
        return self._prepare()

    def _work(self, steps: Progress, raising: bool = False) -> None:
        try:
            self._walk(steps)
        except Exception as error:
            self.words.value = f"Ended by an error: {html.escape(str(error))}"
            if raising:
                raise
        finally:
            steps.close()
            self.button.disabled, self.cancel.disabled = False, True
            self._busy.release()

    def _walk(self, steps: Progress) -> None:
        moved = 0.0
        for done, total in steps:
            if self._cancelled.is_set():
                self.words.value = f"Cancelled after {done} of {total} steps."
                return
            if done == total or time.monotonic() - moved > self.refresh:
                self.progress.max, self.progress.value = total, done
                moved = time.monotonic()
