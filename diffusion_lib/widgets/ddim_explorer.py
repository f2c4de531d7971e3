"""A widget for lesson 06: few steps or many, with or without fresh noise, beside DDPM."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import ipywidgets
import torch
from torch import Tensor, nn

from ..guidance import clipped, guided
from ..plots import sheet
from ..samplers import SamplingStep, ddim_times, sample_ddim, sample_ddpm
from ..schedule import NoiseSchedule
from .background import Background, Progress
from .base import BLUE, Panel, Picture, row
from .judging import asked_class, judge_for, verdicts
from .step_frames import Frames, collect
from .step_player import StepPlayer

SHOWN, SCALE = 3, 3  # images in a cell, and screen pixels for one of theirs


@dataclass(frozen=True)
class Setting:
    """One way to sample: DDIM with some steps and an eta, or DDPM (eta None), whose steps are all of T."""

    num_steps: int
    eta: float | None = None

    @property
    def short(self) -> str:
        """The words on its button."""
        steps = f"{self.num_steps} step{'s' * (self.num_steps != 1)}"
        return f"DDPM, {steps}" if self.eta is None else f"{steps}, η = {self.eta:g}"

    def __str__(self) -> str:
        return self.short if self.eta is None else f"DDIM, {self.short}"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a setting: its path, the finished images (N, C, H, W), the seconds, how many are right.

    right counts the images in which the judge sees the class asked for; None where it cannot judge.
    """

    frames: Frames
    images: Tensor
    seconds: float
    right: int | None

    def __str__(self) -> str:
        quality = "" if self.right is None else f" · {self.right} of {len(self.images)} right"
        return f"{self.seconds:.2f} s{quality}"


def sampler(predict_noise, schedule, setting: Setting, x_T: Tensor, seed: int) -> Iterator[SamplingStep]:
    """The steps of a setting, from the one starting noise; its fresh noise comes from the seed."""
    generator = torch.Generator().manual_seed(seed)
    if setting.eta is None:
        return sample_ddpm(predict_noise, schedule, x_T, generator=generator)
    return sample_ddim(
        predict_noise, schedule, x_T, num_steps=setting.num_steps, eta=setting.eta, generator=generator
    )


class DdimExplorer(Panel):
    """A grid of DDIM runs, steps by eta, and DDPM beside it, all from the starting noise x_T (N, C, H, W).

    The guesses of the clean image are kept within [-1, 1] (`clipped`).
    The button samples them all in the background, the quickest first; run() does so here and now. Each cell
    shows its first images and its time, which is that of the whole batch on this machine. Where the context
    asks for one class an image, it also shows in how many the judge sees it: the shipped classifier for the
    sprites, False for none. Choosing a cell plays its path below: pick(num_steps, eta), or pick() for DDPM.

    Controls: .button, .cancel, .cells (setting -> button), .player. Results: .outcomes (setting -> Outcome).
    Raises ValueError for steps or etas out of range and for a model in training mode.
    """

    fallback = (
        "DDIM explorer: run this cell to compare few and many steps, with and without fresh noise, with DDPM "
        "from the same starting noise, and to play each path."
    )

    def __init__(
        self, model: nn.Module, schedule: NoiseSchedule, x_T: Tensor, context: Tensor | None = None, *,
        weight: float = 1.0, steps=(5, 10, 20, 50), etas=(0.0, 0.5, 1.0), seed: int = 0, judge=None,
    ):  # fmt: skip
        if x_T.ndim != 4:
            raise ValueError(f"x_T must be images (batch, channels, height, width), got {tuple(x_T.shape)}")
        steps, etas = dict.fromkeys(steps), dict.fromkeys(map(float, etas))  # each of them once
        for count in steps:
            ddim_times(schedule.num_steps, count)  # raises if it is out of range
        for eta in etas:
            if not 0 <= eta <= 1:
                raise ValueError(f"etas must lie between 0 and 1, got {eta}")
        self._predict_noise = clipped(guided(model, schedule, context, weight), schedule)
        super().__init__()
        self.schedule, self.x_T, self.seed = schedule, x_T.detach(), seed
        self.ddpm = Setting(schedule.num_steps)
        self.settings = [Setting(count, eta) for count in steps for eta in etas] + [self.ddpm]
        self.outcomes: dict[Setting, Outcome] = {}
        self._asked = asked_class(context, len(x_T))
        self.judge = judge_for(model) if judge is None and self._asked else judge or None

        self.work = Background(self, "Sample all", "Sample every cell of the grid", self._sample)
        self.button, self.cancel, self.progress = self.work.button, self.work.cancel, self.work.progress
        self.words = self.work.words
        self.cells, self.pictures, self._lines, self._boxes = {}, {}, {}, {}
        for setting in self.settings:
            self._make_cell(setting)
        self.chosen: Setting | None = None
        self.heading = ipywidgets.HTML()
        nothing = SamplingStep(0, self.x_T[:1], None, schedule)
        self.player = StepPlayer([nothing])
        self.player.layout.display = "none"  # until there is a path
        grid = ipywidgets.GridBox([self._boxes[setting] for setting in self.settings[:-1]])
        grid.layout.grid_template_columns = f"repeat({len(etas)}, max-content)"
        grid.layout.grid_gap, grid.layout.max_width, grid.layout.overflow = "6px", "100%", "auto"
        self.fill(
            row(self.button, self.cancel, self.progress), self.words,
            row(grid, self._boxes[self.ddpm], align_items="flex-start"),
            self.heading, self.player,
        )  # fmt: skip

    def run(self) -> "DdimExplorer":
        """Samples all here and now, to the end, and gives this widget."""
        self.work.run()
        return self

    def pick(self, num_steps: int | None = None, eta: float = 0.0) -> None:
        """Plays the path of DDIM with these steps and this eta, or of DDPM; as a press of its button does.

        ValueError if the grid has no such cell or it has not been sampled yet.
        """
        setting = self.ddpm if num_steps is None else Setting(num_steps, float(eta))
        if setting not in self.cells:
            cells = "; ".join(map(str, self.cells))
            raise ValueError(f"the grid has no cell for {setting}, only {cells}")
        if setting not in self.outcomes:
            raise ValueError(f"{setting} has not been sampled yet")
        self._choose(setting)

    def _make_cell(self, setting: Setting) -> None:
        width = SHOWN * SCALE * (self.x_T.shape[-1] + 2)
        button = ipywidgets.Button(description=setting.short, tooltip=f"Play {setting}", disabled=True)
        button.layout.width = f"{max(width, 165)}px"
        picture, line = Picture(), ipywidgets.HTML("not sampled yet")
        line.layout.margin, line.layout.min_height = "0 2px", "18px"
        box = ipywidgets.VBox([button, picture, line])
        box.layout.border, box.layout.padding = "2px solid transparent", "2px"
        picture.show(
            sheet(torch.full_like(self.x_T[:SHOWN], 0.8), SHOWN, scale=1), f"{setting}: not yet", SCALE
        )
        self.click(button, partial(self._press, setting))
        self.cells[setting], self.pictures[setting] = button, picture
        self._lines[setting], self._boxes[setting] = line, box

    def _press(self, setting: Setting, button) -> None:
        self._choose(setting)

    def _sample(self) -> Progress:
        total, before = sum(setting.num_steps for setting in self.settings), 0
        for setting in sorted(self.settings, key=lambda setting: setting.num_steps):
            path, seconds = [], 0.0
            steps = sampler(self._predict_noise, self.schedule, setting, self.x_T, self.seed)
            started = time.perf_counter()
            for step in steps:
                seconds += time.perf_counter() - started  # sampling alone, not what the bar costs
                path.append(step)
                if step.t > 0:
                    yield before + len(path), total
                started = time.perf_counter()
            before += setting.num_steps
            self._take(setting, path, seconds)
        self.words.value = "Choose a cell to play its path."

    def _take(self, setting: Setting, path: list[SamplingStep], seconds: float) -> None:
        images = path[-1].x_t.cpu()
        right = None
        if self._asked and self.judge:
            seen = verdicts(self.judge, images)
            right = sum(a == s for a, s in zip(self._asked, seen))
        outcome = self.outcomes[setting] = Outcome(collect(path), images, seconds, right)
        pixels = sheet(images[:SHOWN], min(SHOWN, len(images)), scale=1)
        self.pictures[setting].show(pixels, f"First images of {setting}; {outcome}", SCALE)
        self._lines[setting].value = str(outcome)
        self.cells[setting].disabled = False
        if self.chosen in (None, setting):
            self._choose(setting)

    def _choose(self, setting: Setting) -> None:
        outcome = self.outcomes[setting]
        self.chosen = setting
        for other, box in self._boxes.items():
            box.layout.border = f"2px solid {BLUE if other == setting else 'transparent'}"
            self.cells[other].icon = "play" if other == setting else ""
        self.heading.value = f"<b>Playing {setting}</b>: {outcome}"
        self.player.play(outcome.frames, self.player.view.sample)
        self.player.layout.display = None
