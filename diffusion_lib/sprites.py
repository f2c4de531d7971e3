"""The course's own 16x16 pixel art: assembled from text drawings and coloured by a seeded generator.

`python -m diffusion_lib.sprites` draws data/sprites.npz again, the same arrays.
"""

import argparse
import hashlib
import io
import random
import zipfile
from pathlib import Path

import numpy as np

from .artwork import EMPTY, LINE, SIZE, WHITE, Kind, Part, read_artwork, read_palettes
from .files import written_whole

DATA = Path(__file__).resolve().parent.parent / "data"
CLASS_NAMES = ("hero", "non-hero", "food", "spell & item", "side-facing")
FILES = ("hero", "non_hero", "food", "spell_item", "side_facing")
IMAGES_PER_CLASS = 4800
HELD_OUT_EVERY = 10  # one shape in ten, with all its colourings, is never trained on
FIXED = np.array([(255, 255, 255), (27, 21, 32), (255, 255, 255)], dtype=np.uint8)


def outline(cells: np.ndarray) -> np.ndarray:
    """For every empty cell beside a painted one: the outline of that one's colour.

    '#' needs none, nor does an outline that is there already.
    """
    result = np.zeros_like(cells)
    painted = np.where((cells == LINE) | ((cells >= 3) & (cells % 4 == 3)), EMPTY, cells)
    padded = np.pad(painted, 1)
    for dy, dx in ((0, 1), (1, 0), (1, 2), (2, 1)):  # above, left, right, below: the last one wins
        neighbour = padded[dy : dy + SIZE, dx : dx + SIZE]
        line = np.where(neighbour == WHITE, LINE, (neighbour.astype(int) - 3) // 4 * 4 + 3)
        result = np.where((cells == EMPTY) & (neighbour > EMPTY), line, result)
    return result.astype(np.uint8)


def assemble(parts: list[Part]) -> np.ndarray:
    """One shape: the parts painted over each other, then the outline around what is not bare."""
    cells, solid = np.zeros((2, SIZE, SIZE), np.uint8)
    for part in parts:
        painted = np.maximum(part.cells, outline(part.cells)) if part.ring else part.cells
        cells = np.where(painted > EMPTY, painted, cells)
        solid = np.where((painted > EMPTY) & (not part.bare), painted, solid)
    edge = outline(solid)
    return np.where((cells == EMPTY) & (edge > EMPTY), edge, cells)


def draw_kind(kind: Kind, count: int, palettes: dict, rng: random.Random) -> list[tuple[bytes, np.ndarray]]:
    """`count` different images as (shape, image): as many shapes as there are, then new colourings."""
    found = {}
    for _ in range(60 * count):
        parts = [rng.choices(layer, [part.weight for part in layer])[0] for layer in kind.layers.values()]
        shape = assemble(parts)
        table = np.zeros((3 + 4 * len(kind.ramps), 3), np.uint8)
        table[:3] = FIXED
        taken = set()
        for colour, ramps in enumerate(kind.ramps):
            free = [ramp for ramp in ramps if ramp not in taken] or ramps
            ramp = rng.choice(free)
            taken.add(ramp)
            table[3 + 4 * colour : 7 + 4 * colour] = palettes[ramp]
        image = table[shape]
        found.setdefault(image.tobytes(), (shape.tobytes(), image))
        if len(found) == count:
            return list(found.values())
    raise ValueError(f"{kind.name} has only {len(found)} different images, {count} are needed")


def draw_class(name: str, file: str, count: int, palettes: dict, seed: int) -> dict:
    """The images of one class with what is known of each: shape, kind, whether it is held out."""
    kinds = read_artwork(DATA / "artwork" / f"{file}.txt")
    weights = np.cumsum([0] + [kind.weight for kind in kinds])
    counts = np.diff(np.rint(count * weights / weights[-1])).astype(int)
    images, kind_of, shape_of, held_out = [], [], [], []
    for kind, count in zip(kinds, counts):
        rng = random.Random(f"{seed}/{name}/{kind.name}")
        drawn = draw_kind(kind, int(count), palettes, rng)
        shapes = sorted({shape for shape, _ in drawn})
        number = {shape: i for i, shape in enumerate(rng.sample(shapes, len(shapes)))}
        drawn.sort(key=lambda pair: number[pair[0]])  # one shape after the other: they compress better
        first = shape_of[-1] + 1 if shape_of else 0
        images += [image for _, image in drawn]
        kind_of += [kind.name] * len(drawn)
        shape_of += [first + number[shape] for shape, _ in drawn]
        held_out += [number[shape] % HELD_OUT_EVERY == 0 for shape, _ in drawn]
    return {"images": np.stack(images), "kinds": kind_of, "shapes": shape_of, "held_out": held_out}


def draw_sprites(seed: int = 0, images_per_class: int = IMAGES_PER_CLASS) -> dict[str, np.ndarray]:
    """All arrays of data/sprites.npz.

    images (N, 16, 16, 3) uint8; labels (N,) uint8, an index into class_names; kinds (N,), an index
    into kind_names; shapes (N,), equal where two images differ in colour only; held_out (N,) bool.
    """
    palettes = read_palettes(DATA / "artwork" / "palettes.txt")
    classes = [
        draw_class(name, file, images_per_class, palettes, seed) for name, file in zip(CLASS_NAMES, FILES)
    ]
    names = [f"{name}/{kind}" for name, c in zip(CLASS_NAMES, classes) for kind in c["kinds"]]
    kind_names, kinds = np.unique(names, return_inverse=True)
    starts = np.cumsum([0] + [max(c["shapes"]) + 1 for c in classes])
    return {
        "images": np.concatenate([c["images"] for c in classes]),
        "labels": np.repeat(np.arange(len(classes)), [len(c["kinds"]) for c in classes]).astype(np.uint8),
        "kinds": kinds.astype(np.uint8),
        "shapes": np.concatenate([np.add(c["shapes"], s) for c, s in zip(classes, starts)]).astype(np.int32),
        "held_out": np.concatenate([np.array(c["held_out"]) for c in classes]),
        "class_names": np.array(CLASS_NAMES),
        "kind_names": kind_names,
    }


def sha256(arrays: dict[str, np.ndarray]) -> str:
    """One fingerprint of all arrays: their names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz that NumPy reads, packed with LZMA (a third of deflate's size here), without a date."""
    with written_whole(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_LZMA)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the sprites anew.")
    parser.add_argument("--out", type=Path, default=DATA / "sprites.npz")
    arguments = parser.parse_args()
    arrays = draw_sprites()
    write_npz(arguments.out, arrays)
    print(f"{arguments.out}: {len(arrays['images'])} images, SHA-256 {sha256(arrays)}")


if __name__ == "__main__":
    main()
