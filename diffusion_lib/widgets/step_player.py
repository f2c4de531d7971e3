"""The step player: x_t, the predicted noise and the predicted clean image, step by step."""

from collections.abc import Iterable
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from ..files import write_text
from ..samplers import SamplingStep
from . import step_frames, step_page
from .base import Panel
from .step_frames import PANELS, Frames

MAX_BYTES = 330_000  # of PNGs in the page; as text they take a third more, and 500 kB is the limit


class StepView(anywidget.AnyWidget):
    """What the browser draws and plays, without asking Python. See step_player.js for what it reads."""

    # Texts, not paths: anywidget watches a path's file, and so would keep every view alive for good.
    _esm = Path(__file__).with_name("step_player.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("step_player.css").read_text(encoding="utf-8")

    frame = traitlets.Int(0).tag(sync=True)
    sample = traitlets.Int(0).tag(sync=True)
    speed = traitlets.Int(10).tag(sync=True)  # frames a second
    run = traitlets.Int(0).tag(sync=True)  # another number: another run, build it all again
    captions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    panels = traitlets.List().tag(sync=True)
    size = traitlets.List(traitlets.Int()).tag(sync=True)  # width and height of one picture
    num_samples = traitlets.Int(1).tag(sync=True)
    sheets = traitlets.List(traitlets.Bytes()).tag(sync=True)  # a PNG a sample; empty: not stored

    @traitlets.validate("frame")
    def _within_frames(self, proposal):
        return min(max(proposal["value"], 0), max(len(self.captions) - 1, 0))

    @traitlets.validate("sample")
    def _within_samples(self, proposal):
        return min(max(proposal["value"], 0), self.num_samples - 1)

    @traitlets.validate("speed")
    def _positive(self, proposal):
        return min(max(proposal["value"], 1), 60)


class StepPlayer(Panel):
    """Plays a sampler's steps: StepPlayer(sample_ddpm(predict_noise, schedule, x_T)).

    steps is any iterable of SamplingStep with images; it is run to its end once. Of a run of more than
    max_frames steps as many are kept, evenly spaced, each with its true t and its true count of network
    evaluations. All pictures are on the one scale of -1 (black) to 1 (white); what lies outside is clipped.

    It needs no kernel to play: an exported page and save_html's file work as well. Those hold the chosen
    sample and the ones after it, as many as stay small. Raises ValueError for steps without images.
    """

    fallback = (
        "A step player stands here when the notebook runs: the noisy image, the predicted noise and the "
        "predicted clean image at each sampling step, with a slider and a play button."
    )

    def __init__(self, steps: Iterable[SamplingStep], *, max_frames: int = 60, sample: int = 0):
        frames = step_frames.collect(steps, max_frames)  # before anything is made: it may raise
        super().__init__()
        self.view = StepView(panels=[list(panel) for panel in PANELS])
        self.play(frames, sample)
        self.watch(self.view, self._send_sample, "sample")
        self.fill(self.view)

    def play(self, frames: Frames, sample: int = 0) -> None:
        """Puts another run into the player, from its first frame; `sample` is the one shown first."""
        self.frames = _small_enough(frames)
        self._packed: dict[int, bytes] = {}
        count, (height, width) = self.frames.pixels.shape[1], self.frames.pixels.shape[3:5]
        sample = min(max(sample, 0), count - 1)
        with self.view.hold_sync():
            self.view.num_samples = count
            self.view.captions = self.frames.captions
            self.view.note = self.frames.note
            self.view.size = [width, height]
            self.view.frame, self.view.sample = 0, sample
            self.view.sheets = self._sheets(sample)
            self.view.run += 1

    def picture(self) -> np.ndarray:
        """What is shown now, the three panels beside each other: (height, 3 width, 3) uint8."""
        return step_frames.picture(self.frames, self.view.frame, self.view.sample)

    def save_html(self, path: str | Path) -> Path:
        """Writes a page that plays by itself in any browser, with no network: one file. Gives its path."""
        page = step_page.page(self.view)
        write_text(path, page)
        return Path(path)

    def _send_sample(self, change) -> None:
        if not self.view.sheets[change["new"]]:
            self.view.sheets = self._sheets(change["new"])

    def _sheets(self, chosen: int) -> list[bytes]:
        """The chosen sample's sheet and those after it, as long as they stay small together."""
        count = self.view.num_samples
        sheets, total = [b""] * count, 0
        for sample in ((chosen + i) % count for i in range(count)):
            if sample not in self._packed:
                self._packed[sample] = step_frames.pack(self.frames, sample)
            total += len(self._packed[sample])
            if total > MAX_BYTES and sample != chosen:
                break
            sheets[sample] = self._packed[sample]
        return sheets


def _small_enough(frames: Frames) -> Frames:
    """Fewer frames where one sample's pictures alone would be too large, as those of large images are."""
    while len(frames.t) > 2 and len(step_frames.pack(frames, 0)) > MAX_BYTES:
        frames = frames.thinned(max(2, len(frames.t) * 2 // 3))
    return frames
