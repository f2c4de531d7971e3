"""The sprites' artwork as text, and how it is read.

data/artwork holds a text file for each class and one of colour ramps. A file lists *kinds* (apple,
sword, hero ...). A kind has *parts*, each one of several drawings for a layer; layers are painted in
the order in which they first appear. Every letter of a drawing is one tone of one *colour*, and each
colour takes one of several ramps (outline, dark, mid, light).

    kind apple
    colour rRx peel = red lime yellow     # dark, mid and light letter of the colour "peel"
    part body round at 3,4                # layer, name, place (column,row) of its upper left corner
    ..rRRr..
    part leaf none                        # a part may be empty

A part's options: `at X,Y`, `times N` (N chances instead of one), `ring` (an outline of its own over
the layers below), `bare` (no outline at all: sparks, glows). Rows of 8 letters without `at` are the
left half of a symmetrical drawing. '.' is transparent, '#' the near-black line, 'o' pure white.
What is painted gets an outline in the darkest tone of its own colour.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SIZE = 16
EMPTY, LINE, WHITE = 0, 1, 2  # cells of a shape; then four for each colour: outline and three tones


@dataclass
class Part:
    """One drawing for a layer: its cells, how often it is drawn, and how it is outlined."""

    cells: np.ndarray  # (16, 16) uint8
    weight: int
    ring: bool
    bare: bool


@dataclass
class Kind:
    """One kind of thing: its colours, and for each layer the parts to choose from."""

    name: str
    weight: int
    ramps: list[list[str]] = field(default_factory=list)  # for each colour, the ramps it may take
    letters: dict[str, int] = field(default_factory=lambda: {".": EMPTY, "#": LINE, "o": WHITE})
    layers: dict[str, list[Part]] = field(default_factory=dict)


def read_palettes(path: Path) -> dict[str, np.ndarray]:
    """Ramp name -> (4, 3) uint8: outline, dark, mid, light."""
    text = path.read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if line and line[0] != ";")
    return {name: np.array([tuple(bytes.fromhex(c)) for c in tones], np.uint8) for name, *tones in lines}


def read_artwork(path: Path) -> list[Kind]:
    """The kinds of one class. ValueError names the file and line of a slip."""
    kinds, rows, options = [], [], None

    def finish():
        if options is not None:
            layer, part = draw_part(kinds[-1], rows, options)
            kinds[-1].layers.setdefault(layer, []).append(part)

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() + ["kind end"], 1):
        words = line.split()
        try:
            if not words or line.startswith(";"):
                continue
            if words[0] in ("kind", "colour", "part"):
                finish()
                rows, options = [], None
            if words[0] == "kind":
                kinds.append(Kind(words[1], int(words[2]) if len(words) > 2 else 1))
            elif words[0] == "colour":
                kind, first = kinds[-1], 3 + 4 * len(kinds[-1].ramps)
                kind.letters |= {letter: first + 1 + tone for tone, letter in enumerate(words[1])}
                kind.ramps.append(words[words.index("=") + 1 :])
            elif words[0] == "part":
                options = words[1:]
            else:
                rows.append(line.rstrip())
        except (ValueError, KeyError, IndexError) as error:
            raise ValueError(f"{path.name}, before line {number} ({line!r}): {error}") from error
    return kinds[:-1]


def draw_part(kind: Kind, rows: list[str], options: list[str]) -> tuple[str, Part]:
    """The layer that a part belongs to, and the part, from its rows of letters and its options."""
    value = {word: options[i + 1] for i, word in enumerate(options[:-1]) if word in ("at", "times")}
    if "at" not in value and rows and max(map(len, rows)) == SIZE // 2:
        rows = [row.ljust(SIZE // 2, ".") + row.ljust(SIZE // 2, ".")[::-1] for row in rows]
    left, top = (int(number) for number in value.get("at", "0,0").split(","))
    cells = np.zeros((SIZE, SIZE), np.uint8)
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            if letter not in kind.letters:
                raise ValueError(f"{kind.name} has no colour for the letter {letter!r}")
            if letter != "." and not (0 <= left + x < SIZE and 0 <= top + y < SIZE):
                raise ValueError(f"part {' '.join(options)} of {kind.name} sticks out of the picture")
            if letter != ".":
                cells[top + y, left + x] = kind.letters[letter]
    weight = int(value.get("times", 1))
    return options[0], Part(cells, weight, "ring" in options, "bare" in options)
