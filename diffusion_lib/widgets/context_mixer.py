"""A widget for lesson 05: mix the classes, guide more or less, and see what comes out."""

import html
import time
from collections.abc import Iterator
from dataclasses import dataclass

import ipywidgets
import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from ..data import to_display
from ..guidance import clipped, guided
from ..samplers import SamplingStep, sample_ddim
from ..schedule import NoiseSchedule
from .background import Background, Progress
from .base import BLACK, Panel, Picture, labelled, row
from .charts import SCALE, font
from .judging import asked_class, check_judge, class_names_for, counted, judge_for, short_names, verdicts

CELL, WORDS = 80, 20  # the side of an image on the screen, and the height of the words under it
MOST_SLIDERS = 12  # of more classes, two are chosen by name


@dataclass(frozen=True)
class Settings:
    """What a draw is made from: how much of each class, the guidance weight, the steps, the seed."""

    context: tuple[float, ...]
    weight: float
    num_steps: int
    seed: int

    def mixture(self, names) -> str:
        """The context in words: "hero 1, food 0.5"."""
        parts = [f"{name} {share:g}" for name, share in zip(names, self.context) if share]
        return ", ".join(parts) or "no class"

    def rest(self) -> str:
        """All but the context in words."""
        return f"guidance {self.weight:g}, {self.num_steps} steps, seed {self.seed}"


@dataclass(frozen=True, eq=False)
class Draw:
    """Finished images (N, C, H, W), the class that the judge sees in each, and how they were made."""

    settings: Settings
    images: Tensor
    seen: list[int]
    seconds: float

    @property
    def right(self) -> list[bool] | None:
        """Image by image, whether the judge sees the class asked for; None for a mixture or with no judge."""
        asked = asked_class(torch.tensor(self.settings.context), len(self.images))
        return None if asked is None or not self.seen else [a == s for a, s in zip(asked, self.seen)]

    def verdict(self, names) -> str:
        """What the judge says of all the images, in words."""
        return f"judge sees: {counted(self.seen, names)}" if self.seen else ""


def mixture_steps(
    model: nn.Module, schedule: NoiseSchedule, settings: Settings, num_images: int
) -> Iterator[SamplingStep]:
    """The sampling steps of a draw: DDIM, clipped, without fresh noise, so that the seed alone decides."""
    weight = next(model.parameters())
    shape = (num_images, model.in_channels, model.height, model.height)
    x_T = torch.randn(shape, generator=torch.Generator().manual_seed(settings.seed)).to(weight)
    context = torch.tensor(settings.context).to(weight)
    predict_noise = clipped(guided(model, schedule, context, settings.weight), schedule)
    return sample_ddim(predict_noise, schedule, x_T, num_steps=settings.num_steps)


def draw_picture(draw: Draw, names, columns: int = 2) -> np.ndarray:
    """The images in rows with the judge's word under each, twice as large as shown: (H, W, 3) uint8.

    Where a single class was asked for, a tick or a cross stands before the word.
    """
    pixels, side, line = to_display(draw.images), CELL * SCALE, WORDS * SCALE
    gap, count = 6 * SCALE, len(pixels)
    words = short_names(names)  # there is little room
    rows = -(-count // columns)
    picture = Image.new("RGB", (columns * (side + gap), rows * (side + line + gap) - gap), "white")
    pen = ImageDraw.Draw(picture)
    for i, image in enumerate(pixels):
        left, top = (i % columns) * (side + gap), (i // columns) * (side + line + gap)
        picture.paste(Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST), (left, top))
        pen.rectangle((left, top, left + side - 1, top + side - 1), outline="#D0D0D0", width=SCALE)
        if draw.seen:
            mark = "" if draw.right is None else "✓ " if draw.right[i] else "✗ "
            place = (left + side / 2, top + side + line / 2)
            pen.text(place, mark + words[draw.seen[i]], fill=BLACK, font=font(11), anchor="mm")
    return np.asarray(picture)


class ContextMixer(Panel):
    """A slider for each class, guidance weight, steps, seed; Draw samples, and the last draws stay beside it.

    Of more than twelve classes two are chosen by name, with a slider each. class_names are the sprites' for
    a model of the sprites' size. judge is a classifier, a function of images, that says what it sees in each:
    the shipped one where the model draws sprites, False for none. Controls: .classes (sliders), .choices
    (of many classes, which two), .weight, .steps, .seed, .button, .cancel. draw() samples here and now and
    gives the Draw; .draws has the last `keep` of them, the newest first. Raises ValueError for names that do
    not fit the model, or a judge.
    """

    fallback = (
        "Context mixer: run this cell to mix the classes with sliders, choose the guidance weight, and draw "
        "sprites that a classifier judges."
    )

    def __init__(
        self, model: nn.Module, schedule: NoiseSchedule, class_names=None, *, num_images: int = 4,
        keep: int = 4, judge=None,
    ):  # fmt: skip
        names = tuple(class_names_for(model) if class_names is None else class_names)
        if len(names) != model.n_cfeat:
            raise ValueError(f"the model has {model.n_cfeat} classes, got {len(names)} class names")
        judge = judge_for(model) if judge is None else judge or None
        check_judge(judge, model)
        super().__init__()
        self.model, self.schedule, self.names = model, schedule, names
        self.num_images, self.draws = num_images, []
        self.judge = judge
        self.choices, shares = [], names
        if len(names) > MOST_SLIDERS:
            options, shares = [(name, i) for i, name in enumerate(names)], ("how much", "how much of it")
            self.choices = [
                labelled(ipywidgets.Dropdown, words, options=options, value=i)
                for i, words in enumerate(("draw", "mixed with"))
            ]
        self.classes = [
            labelled(ipywidgets.FloatSlider, words, value=float(i == 0), min=0, max=1, step=0.05)
            for i, words in enumerate(shares)
        ]
        wishes = [control for pair in zip(self.choices, self.classes) for control in pair] or self.classes
        self.weight = labelled(ipywidgets.FloatSlider, "guidance", value=2, min=0, max=6, step=0.25)
        most = schedule.num_steps
        self.steps = labelled(ipywidgets.IntSlider, "steps", value=min(20, most), min=1, max=min(100, most))
        self.seed = labelled(ipywidgets.BoundedIntText, "seed", value=0, min=0, max=2**31 - 1, width="16em")
        self.work = Background(
            self, "Draw", "Sample with these settings", lambda: self._sample(self.settings)
        )
        self.button, self.cancel, self.progress = self.work.button, self.work.cancel, self.work.progress
        self.words = self.work.words
        self.pictures = [Picture(smooth=True) for _ in range(keep)]
        self.labels = [ipywidgets.HTML() for _ in range(keep)]
        slots = [ipywidgets.VBox(pair) for pair in zip(self.pictures, self.labels)]
        for slot in slots:
            slot.layout.width = f"{2 * (CELL + 6) + 8}px"
        self.fill(
            row(
                ipywidgets.VBox(wishes),
                ipywidgets.VBox([self.weight, self.steps, self.seed]),
            ),
            row(self.button, self.cancel, self.progress),
            self.words,
            row(*slots, align_items="flex-start"),
        )

    @property
    def settings(self) -> Settings:
        """What the controls say now."""
        context = [0.0] * len(self.names)
        places = [choice.value for choice in self.choices] or range(len(self.classes))
        for place, slider in zip(places, self.classes):
            context[place] = round(context[place] + slider.value, 4)
        return Settings(tuple(context), self.weight.value, self.steps.value, self.seed.value)

    def draw(self) -> Draw:
        """Samples with the present settings, to the end, and gives what came out."""
        self.work.run()
        return self.draws[0]

    def _sample(self, settings: Settings) -> Progress:
        started = time.monotonic()
        steps = mixture_steps(self.model, self.schedule, settings, self.num_images)
        for done, step in enumerate(steps):
            images = step.x_t.cpu()
            yield done, settings.num_steps
        seconds = time.monotonic() - started
        draw = Draw(settings, images, verdicts(self.judge, images), seconds)
        self.draws = [draw, *self.draws][: len(self.pictures)]
        self._show()
        self.words.value = f"Drawn in {seconds:.1f} s."

    def _show(self) -> None:
        for draw, picture, label in zip(self.draws, self.pictures, self.labels):
            mixture, verdict = draw.settings.mixture(self.names), draw.verdict(self.names)
            pixels = draw_picture(draw, self.names)
            alt = f"{len(draw.images)} images for {mixture}, {draw.settings.rest()}; {verdict}"
            height, width = pixels.shape[:2]
            picture.show(pixels, alt, size=(width / SCALE, height / SCALE))
            settings = draw.settings.rest().replace(", seed", "<br>seed")  # else it breaks after the word
            label.value = "<br>".join((f"<b>{html.escape(mixture)}</b>", settings, html.escape(verdict)))
