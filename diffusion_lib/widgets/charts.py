"""Curves and histograms drawn with Pillow: the axes once, a moving marker in a millisecond.

A new figure of matplotlib takes 66 ms, too long for something that is dragged.
"""

import copy
import math
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .base import BLACK, GREY

SCALE = 2  # drawn twice as large as shown, so that it is sharp on fine screens
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 26, 34  # margins around the axes, in shown pixels


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along; unlike Pillow's own font it has Greek letters and roots."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / "DejaVuSans.ttf", size * SCALE)


class Chart:
    """One pair of axes. curve, words and bars draw on it for good; marked gives a copy with a marker.

    x and y are the (lowest, highest) value of each axis; with log the y axis counts powers of ten.
    Values beyond the y axis are drawn at its edge. .pixels is the picture, (2 height, 2 width, 3) uint8.
    """

    def __init__(self, title: str, x, y, x_label: str = "t", log: bool = False, width=300, height=190):
        self.x, self.y, self.log = x, y, log
        self.width, self.height = width, height
        self.picture = Image.new("RGB", (width * SCALE, height * SCALE), "white")
        self.pen = ImageDraw.Draw(self.picture)
        middle = (LEFT + width - RIGHT) / 2
        self._text(title, middle, 11, 12, BLACK, "mm")
        self._text(x_label, middle, height - 9, 11, BLACK, "mm")
        for value in np.linspace(*x, 5):
            at = self._across(value)
            self._line([(at, TOP), (at, height - BOTTOM)], "#EBEBEB", 1)
            self._text(f"{value:g}", at, height - BOTTOM + 9, 10, BLACK, "mm")
        for value in _powers(*y) if log else np.linspace(*y, 5):
            at = self._up(value)
            self._line([(LEFT, at), (width - RIGHT, at)], "#EBEBEB", 1)
            word = f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e") if log else f"{value:.3g}"
            word = f"{value:g}" if 0.01 <= value <= 100 else word
            self._text(word, LEFT - 5, at, 10, BLACK, "rm")
        self._line([(LEFT, TOP), (LEFT, height - BOTTOM), (width - RIGHT, height - BOTTOM)], GREY, 1)

    @property
    def pixels(self) -> np.ndarray:
        """The picture as it is now."""
        return np.asarray(self.picture)

    def curve(self, x, y, colour: str, width: float = 2, dashed: bool = False) -> None:
        """A line through the points; those that are not finite are left out."""
        points = [(self._across(a), self._up(b)) for a, b in zip(x, y) if math.isfinite(b)]
        if not dashed:
            return self._line(points, colour, width)
        for i in range(0, len(points) - 1, 2 * (step := max(1, len(points) // 40))):
            self._line(points[i : i + step + 1], colour, width)

    def words(self, text: str, x: float, y: float, colour: str, anchor: str = "lm") -> None:
        """A text at a point of the axes."""
        self._text(text, self._across(x), self._up(y), 11, colour, anchor)

    def bars(self, edges, heights, colour: str) -> None:
        """Bars from the bottom, one between each two neighbouring edges."""
        for low, high, top in zip(edges[:-1], edges[1:], heights):
            if top > 0:
                box = (self._across(low), self._up(top), self._across(high), self.height - BOTTOM)
                self.pen.rectangle([length * SCALE for length in box], fill=colour, outline="white")

    def copy(self) -> "Chart":
        """The same axes and what is drawn on them, to draw more on, which takes a tenth of a new chart."""
        other = copy.copy(self)
        other.picture = self.picture.copy()
        other.pen = ImageDraw.Draw(other.picture)
        return other

    def marked(self, x: float, dots) -> np.ndarray:
        """The picture with a line at x, and on it a dot of each (y, colour); the chart stays without."""
        other, at = self.copy(), self._across(x)
        other._line([(at, TOP), (at, self.height - BOTTOM)], BLACK, 1)
        for y, colour in dots:
            up = self._up(y) * SCALE
            box = (at * SCALE - 9, up - 9, at * SCALE + 9, up + 9)
            other.pen.ellipse(box, fill=colour, outline="white", width=2)
        return other.pixels

    def _across(self, value: float) -> float:
        low, high = self.x
        return LEFT + (value - low) / (high - low) * (self.width - LEFT - RIGHT)

    def _up(self, value: float) -> float:
        low, high = self.y
        if self.log:
            value = max(value, low)
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = min(max((value - low) / (high - low), 0), 1)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)

    def _line(self, points, colour: str, width: float) -> None:
        points = [(x * SCALE, y * SCALE) for x, y in points]
        if len(points) > 1:
            self.pen.line(points, fill=colour, width=round(width * SCALE), joint="curve")

    def _text(self, text: str, x: float, y: float, size: int, colour: str, anchor: str) -> None:
        self.pen.text((x * SCALE, y * SCALE), text, fill=colour, font=font(size), anchor=anchor)


def round_bounds(low: float, high: float) -> tuple[float, float]:
    """The ends of a logarithmic axis that holds low to high: 1, 2 or 5 times a power of ten, never equal."""
    low, high = max(low, 1e-9), max(high, 1e-9)
    below = max(value for value in _steps(low / 10, low * 1.001) if value <= low * 1.001)
    above = min(value for value in _steps(high / 1.001, high * 20) if value >= max(high / 1.001, below * 1.5))
    return below, above


def _steps(low: float, high: float, factors=(1, 2, 5)) -> list[float]:
    """All factors times powers of ten between low and high."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [factor * 10.0**power for power in powers for factor in factors]
    return [value for value in values if low * 0.9999 <= value <= high * 1.0001]


def _powers(low: float, high: float) -> list[float]:
    """At most six round numbers between low and high, evenly spaced on a logarithmic axis or nearly so."""
    fine = _steps(low, high)
    if len(fine) <= 6:
        return fine
    coarse = _steps(low, high, (1,))
    return coarse[:: -(-len(coarse) // 6)]
