"""ContextUnet as a picture: its blocks, its skip connections, and where t and c enter."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from .tracing import LayerTrace, trace_shapes

WIDTH, HEIGHT = 1000, 500
ROWS = (90, 215, 310, 392)  # the middle of each level: full, half and quarter size, and the vector
PLACES = {  # block -> (middle, level)
    "init_conv": (106, 0), "down1": (168, 1), "down2": (226, 2), "to_vec": (281, 3), "up0": (336, 2),
    "contextembed1": (416, 3), "timeembed1": (516, 3), "up1": (616, 1),
    "contextembed2": (682, 3), "timeembed2": (782, 3), "up2": (886, 0), "out": (966, 0),
}  # fmt: skip
JOINS = {"up1": 553, "up2": 819, "out": 930}  # where the skip is concatenated
TALLEST, WIDEST = 100, 72  # pixels on screen for the largest map and for the most channels
INK, LINE = (40, 40, 40), (120, 120, 120)
SKIP, TIME, CONTEXT, MARK = (31, 119, 180), (214, 110, 20), (120, 70, 160), (255, 214, 64)
FILL = {"down": (198, 219, 239), "up": (199, 233, 192), "time": (253, 208, 162), "context": (218, 208, 235)}


def draw_unet(model: nn.Module, highlight: str | None = None, layers=None) -> np.ndarray:
    """The network from left to right as (500, 1000, 3) uint8: each box is the map that a block gives.

    A box is as tall as the map and as wide as its channels, both in proportion; all shapes are traced
    on the model itself with one empty image, which leaves it as it was, unless the rows of trace_shapes
    are there already: pass them as layers where each millisecond counts. highlight names a block to be
    marked ("down2"). Raises ValueError if it is no block of the drawing.
    """
    if highlight is not None and highlight not in PLACES:
        raise ValueError(f"highlight must be one of {', '.join(PLACES)}, got {highlight!r}")
    shapes = {layer.name: layer.output_shape[1:] for layer in layers or _trace(model)}
    return np.asarray(_Drawing(shapes, model, highlight).picture)


def _trace(model: nn.Module) -> list[LayerTrace]:
    weight = next(model.parameters())
    x = weight.new_zeros(1, model.in_channels, model.height, model.height)
    return trace_shapes(model, x, weight.new_zeros(1), weight.new_zeros(1, model.n_cfeat))


class _Drawing:
    """One picture; its methods are the parts, drawn in the order of __init__: lines lie under boxes."""

    def __init__(self, shapes, model: nn.Module, highlight: str | None):
        self.shapes, self.highlight = shapes, highlight
        self.height, self.most_channels = model.height, max(shape[0] for shape in shapes.values())
        self.picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
        self.pen = ImageDraw.Draw(self.picture)
        self.font, self.small = ImageFont.load_default(size=13), ImageFont.load_default(size=12)
        image = (model.in_channels, model.height, model.height)
        self.main_path()
        self.skips()
        self.embeddings(model.n_cfeat)
        self.map(38, 0, "x", image, (225, 225, 225))
        for name, (x, level) in PLACES.items():
            if "embed" in name:
                self.embedding(name, x)
            else:
                kind = "down" if name in ("init_conv", "down1", "down2", "to_vec") else "up"
                self.map(x, level, name, shapes[name], FILL[kind])

    def main_path(self) -> None:
        x, y = {name: place[0] for name, place in PLACES.items()}, ROWS
        self.arrow((38, y[0]), (self.left("init_conv"), y[0]))
        for before, after in (("init_conv", "down1"), ("down1", "down2"), ("down2", "to_vec")):
            level = PLACES[before][1]
            self.arrow((x[before], y[level]), (x[after], y[level]), (x[after], self.top(after)))
        up = self.left("up0") + 5  # beside the words that stand below up0
        self.arrow((up, self.top("to_vec")), (up, y[2] + self.size(self.shapes["up0"])[1] / 2))
        for source, number, after, level in (("up0", 1, "up1", 2), ("up1", 2, "up2", 1)):
            rise = JOINS[after] + 28
            self.arrow((x[source], y[level]), (rise, y[level]), (rise, y[level - 1]),
                       (self.left(after), y[level - 1]))  # fmt: skip
            self.node("times", x[f"contextembed{number}"], y[level], CONTEXT)
            self.node("plus", x[f"timeembed{number}"], y[level], TIME)
        self.arrow((x["up2"], y[0]), (self.left("out"), y[0]))

    def skips(self) -> None:
        for name, after, level, what in (
            ("init_conv", "out", 0, "x0"), ("down1", "up2", 1, "d1"), ("down2", "up1", 2, "d2")
        ):  # fmt: skip
            y, join, above = ROWS[level], JOINS[after], self.top(name) - 14
            x = 2 * PLACES[name][0] - self.left(name) - 6
            self.arrow((x, y), (x, above), (join, above), (join, y - 9), colour=SKIP, width=2)
            self.pen.text((x + 8, above - 3), f"{what}, skip", fill=SKIP, font=self.small, anchor="lb")
            self.pen.rounded_rectangle((join - 13, y - 9, join + 13, y + 9), 5, "white", SKIP, 2)
            self.pen.text((join, y), "cat", fill=SKIP, font=self.small, anchor="mm")

    def embeddings(self, n_cfeat: int) -> None:
        for kind, symbol, shape, colour, y in (
            ("context", "c", f"context, {n_cfeat}", CONTEXT, 446), ("time", "t", "time, 1", TIME, 476)
        ):  # fmt: skip
            for number, level in ((1, 2), (2, 1)):
                x = PLACES[f"{kind}embed{number}"][0]
                self.arrow((342, y), (x, y), (x, ROWS[level] + 11), colour=colour)
            self.pen.text((334, y), f"{symbol}  ({shape})", fill=colour, font=self.font, anchor="rm")

    def embedding(self, name: str, x: int) -> None:
        kind, y = name.split("embed")[0], ROWS[3]
        box = (x - 48, y - 17, x + 48, y + 17)
        marked = name == self.highlight
        self.pen.rounded_rectangle(box, 5, MARK if marked else FILL[kind], INK, 3 if marked else 1)
        self.pen.text((x, y - 7), name, fill=INK, font=self.small, anchor="mm")
        self.pen.text((x, y + 8), str(self.shapes[name][0]), fill=INK, font=self.small, anchor="mm")

    def map(self, x: int, level: int, name: str, shape: tuple[int, ...], fill) -> None:
        y, (wide, tall) = ROWS[level], self.size(shape)
        marked = name == self.highlight
        box = (x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2)
        self.pen.rectangle(box, MARK if marked else fill, INK, 3 if marked else 1)
        words = ((name, self.font, 10), (str(shape), self.small, 25))
        for word, font, below in words:
            place, half = (x, y + tall / 2 + below), font.getlength(word) / 2 + 2
            self.pen.rectangle((x - half, place[1] - 8, x + half, place[1] + 7), MARK if marked else "white")
            self.pen.text(place, word, fill=INK, font=font, anchor="mm")

    def size(self, shape: tuple[int, ...]) -> tuple[float, float]:
        wide = max(4, WIDEST * shape[0] / self.most_channels)
        return wide, max(6, TALLEST * shape[1] / self.height)

    def top(self, name: str) -> float:
        return ROWS[PLACES[name][1]] - self.size(self.shapes[name])[1] / 2

    def left(self, name: str) -> float:
        return PLACES[name][0] - self.size(self.shapes[name])[0] / 2

    def arrow(self, *points, colour=LINE, width: int = 2) -> None:
        self.pen.line(points, colour, width)
        (x0, y0), (x, y) = points[-2:]
        if x0 != x:
            back = -7 if x > x0 else 7
            self.pen.polygon(((x, y), (x + back, y - 4), (x + back, y + 4)), colour)
        else:
            back = -7 if y > y0 else 7
            self.pen.polygon(((x, y), (x - 4, y + back), (x + 4, y + back)), colour)

    def node(self, sign: str, x: int, y: int, colour) -> None:
        self.pen.ellipse((x - 10, y - 10, x + 10, y + 10), "white", colour, 2)
        ends = ((4, 4), (4, -4)) if sign == "times" else ((5, 0), (0, 5))
        for dx, dy in ends:
            self.pen.line((x - dx, y - dy, x + dx, y + dy), colour, 2)
