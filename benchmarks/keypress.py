"""How long after a key press the picture has changed, in a real JupyterLab, and how much of it is Python."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch

from diffusion_lib.checkpoints import load_checkpoint
from diffusion_lib.data import load_images
from diffusion_lib.widgets import NoiseExplorer, ShapeInspector, TrainingView
from tests.browser.real_lab import CHROMIUM, chromium, open_and_run, running_lab

# Runs in the page, so that no clock of Python's is in it: from the keydown event to the last animation frame
# with new pixels (a widget may change several pictures). Looked at are canvases and sources of images.
STOPWATCH = """widget => {
    const looks = () => {
        const pictures = [...widget.querySelectorAll("img")];
        if (!pictures.every((picture) => picture.complete)) return null;
        const canvases = [...widget.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL());
        return pictures.map((picture) => picture.src).concat(canvases).join();
    };
    let seen = looks();
    window.pressed = new Promise((resolve) => addEventListener("keydown", () => {
        const start = performance.now();
        let changed = null;
        const look = () => {
            const now = performance.now() - start;
            const present = looks();
            if (present !== null && present !== seen) [seen, changed] = [present, now];
            if (now > 20000 || (changed !== null && now > changed + 400)) resolve(changed);
            else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    }, { capture: true, once: true }));
}"""
SLIDER, PLACE = ".noUi-handle >> nth=0", "input[type=range]"
BACK_AND_FORTH = ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft")
LAYERS = ("down1", "down2", "to_vec", "up0", "up1", "up2", "out", "init_conv")  # the last is shown first


@dataclass(frozen=True)
class Press:
    """What is pressed: the lesson, its widget, and the controls in it with the key for each, in turn."""

    title: str
    lesson: str
    widget: str
    keys: tuple[tuple[str, str], ...]


PRESSES = (
    Press("StepPlayer, a frame", "04_ddpm_sampling", ".step-player",
          tuple((PLACE, key) for key in BACK_AND_FORTH)),
    Press("DdimExplorer's player, a frame", "06_ddim", ".course-panel .step-player",
          tuple((PLACE, key) for key in BACK_AND_FORTH)),
    Press("NoiseExplorer, t", "02_forward_noising", ".course-panel", ((SLIDER, "ArrowRight"),)),
    Press("ShapeInspector, a layer", "01_unet", ".course-panel",
          tuple((f'button[data-value="{name}"]', "Space") for name in LAYERS)),
    Press("ShapeInspector, image size", "01_unet", ".course-panel",
          tuple((SLIDER, key) for key in BACK_AND_FORTH)),
    Press("TrainingView, t of the guesses", "03_training", ".course-panel", ((SLIDER, "ArrowRight"),)),
)  # fmt: skip


def keypress(presses: int = 20) -> list[str]:
    """Key press to pixels in each widget that is stepped by key, as lines of Markdown."""
    if CHROMIUM is None:
        return ["Not measured: there is no Chromium on this machine."]
    lines = ["| key press to changed pixels | median ms | range | presses |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder)) as lab, chromium() as browser:
        for press in PRESSES:
            lines.append(_row(press.title, _in_the_browser(browser, lab, press, presses)))
    lines += ["", "| of which Python takes | median ms | range | steps |", "|---|---|---|---|"]
    for title, step in python_steps():
        lines.append(_row(title, [_milliseconds(step) for _ in range(presses)]))
    return lines


def _row(title: str, values: list[float]) -> str:
    median, low, high = statistics.median(values), min(values), max(values)
    return f"| {title} | {median:.0f} | {low:.0f} to {high:.0f} | {len(values)} |"


def _in_the_browser(browser, lab: Callable, press: Press, presses: int) -> list[float]:
    with _page(browser, lab, press.lesson) as page:
        widget = page.locator(press.widget).first
        if press.lesson == "06_ddim":  # nothing to play before
            page.locator("button", has_text="Sample all").click()
            page.get_by_text("Choose a cell").wait_for()
        values = []
        for control, key in islice(cycle(press.keys), presses):
            widget.locator(control).focus()
            page.wait_for_timeout(200)  # scrolling and the rest of the last press are over
            widget.evaluate(STOPWATCH)
            page.keyboard.press(key)
            values.append(page.evaluate("pressed"))
    if None in values:
        raise RuntimeError(f"{press.title}: a key press changed nothing")
    return values


@contextmanager
def _page(browser, lab: Callable, lesson: str) -> Iterator:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(120_000)
    try:
        open_and_run(page, lab, lesson)
        yield page
    finally:
        page.close()


def _milliseconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return (time.perf_counter() - start) * 1000


def python_steps() -> Iterator[tuple[str, Callable[[], None]]]:
    """What Python does at such a press, each as a function to be timed; a step of a player needs none."""
    checkpoint, data = load_checkpoint("small"), load_images("sprites").subset(slice(0, 64))
    model, schedule = checkpoint.model, checkpoint.schedule

    explorer = NoiseExplorer(data.images, {"shipped": schedule})
    yield "NoiseExplorer, t", _in_turn(explorer.t, range(1, schedule.num_steps))
    explorer.close()

    inputs = (data.images[:4], torch.full((4,), 0.1), data.labels[:4])
    inspector = ShapeInspector(model, inputs)
    yield "ShapeInspector, a layer", _in_turn(inspector.layer, LAYERS)
    yield "ShapeInspector, image size", _in_turn(inspector.height, (20, 24, 20, 16))
    inspector.close()

    view = TrainingView(model, schedule, data, num_epochs=1, batch_size=32).run().wait()
    yield "TrainingView, t of the guesses", _in_turn(view.t, range(1, schedule.num_steps))
    view.close()


def _in_turn(control, values) -> Callable[[], None]:
    turns = cycle(values)
    return lambda: setattr(control, "value", next(turns))


if __name__ == "__main__":
    print("\n".join(keypress()))
