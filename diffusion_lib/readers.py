"""Files of your own as arrays: pictures in folders, MNIST's IDX, numpy's .npz and .npy."""

import gzip
import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".png", ".gif", ".bmp", ".webp", ".jpg", ".jpeg")
FORMATS = ("PNG", "GIF", "BMP", "WEBP", "JPEG")


def read_pictures(folder: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The pictures below a folder, however deep. Each folder in it is a class, in the order 1, 2, 10.

    images uint8 (N, H, W, 3), or (N, H, W) where all are grey; classes int64 (N,); the classes' names, that
    of the folder itself if it holds the pictures. What is transparent becomes white, the ground of the
    course's sprites; of an animation the first picture counts. Hidden files and folders are passed over,
    and so are files of other kinds.

    Raises ValueError if there is no picture, if some lie in folders and some beside them, if one cannot be
    read, is 16-bit grey, or has another size than the first. Nothing is scaled or cut.
    """
    found = [path.relative_to(folder) for path in _files_below(folder) if path.suffix.lower() in SUFFIXES]
    if not found:
        raise ValueError(f"{folder} holds no pictures ({', '.join(SUFFIXES)}), nor MNIST's files")
    beside = [path for path in found if len(path.parts) == 1]
    if beside and len(beside) < len(found):
        raise ValueError(f"{folder}: {beside[0]} is in no class, others lie in folders: move it into one")
    class_of = {path: folder.resolve().name if beside else path.parts[0] for path in found}
    names = sorted(set(class_of.values()), key=_as_people_count)
    paths = sorted(found, key=lambda path: (names.index(class_of[path]), _as_people_count(path.as_posix())))
    pictures = []
    for path in paths:
        picture = _read_picture(folder, path)
        first = pictures[0] if pictures else picture
        if picture.size != first.size:
            sizes = ["{} wide and {} high".format(*size) for size in (picture.size, first.size)]
            raise ValueError(
                f"{folder}: {path.as_posix()} is {sizes[0]}, {paths[0].as_posix()} is {sizes[1]}: "
                "all must be of one size"
            )
        check_size(f"{folder}: {path.as_posix()}", *picture.size)  # now, not after all fill the memory
        pictures.append(picture)
    if not all(picture.mode == "L" for picture in pictures):
        pictures = [picture.convert("RGB") for picture in pictures]
    return np.stack(pictures), np.array([names.index(class_of[path]) for path in paths]), names


def check_size(source: str, width: int, height: int) -> None:
    """ValueError unless images of this size fit the network."""
    if width != height or height % 4:
        got = f"{width} wide and {height} high"
        raise ValueError(f"{source}: images must be square and a multiple of 4 high, got {got}")


def _files_below(folder: Path, inside: tuple[Path, ...] = ()) -> Iterator[Path]:
    """The files in a folder and in its folders, linked ones too, but not those that lead back up."""
    inside = (*inside, folder.resolve())
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if not path.is_dir():  # a folder may be called cat.png
            yield path
        elif path.resolve() not in inside:
            yield from _files_below(path, inside)


def _as_people_count(name: str) -> tuple:
    """A key that sorts "2" before "10". The name itself decides between "1" and "01"."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], name


def _read_picture(folder: Path, path: Path) -> Image.Image:
    """A picture on white, of mode L if it is grey and RGB if not."""
    try:
        with Image.open(folder / path, formats=FORMATS) as file:
            picture = ImageOps.exif_transpose(file)  # as a photograph was held; it also reads the pixels
    except Exception as error:  # a damaged file ends in almost any error, by its format
        raise ValueError(f"{folder}: {path.as_posix()} cannot be read: {error}") from error
    if picture.mode.startswith("I"):
        raise ValueError(f"{folder}: {path.as_posix()} is 16-bit grey: save it with 8 bits")
    colours = picture.convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), colours)
    return on_white.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")


def read_idx(folder: Path, name: str, axes: int) -> np.ndarray:
    """One IDX file: 0, 0, type 8 (bytes), number of axes, each length as a big-endian int, the bytes."""
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.exists()), None)
    if path is None:
        raise FileNotFoundError(f"{folder} has no file {name} or {name}.gz")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path.name} cannot be unpacked: {error}") from error
    header = 4 + 4 * axes
    if len(content) < header or content[:4] != bytes((0, 0, 8, axes)):
        raise ValueError(f"{path.name} is not an IDX file of bytes with {axes} axes")
    lengths = struct.unpack(f">{axes}I", content[4:header])
    expected = header + math.prod(lengths)
    if len(content) != expected:
        raise ValueError(f"{path.name} should have {expected} bytes, got {len(content)}: is it cut off?")
    return np.frombuffer(content, np.uint8, offset=header).reshape(lengths)


def read_arrays(path: Path, main: str = "images") -> dict[str, np.ndarray]:
    """The arrays of an .npz by their names, or the one of an .npy under the name `main`."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {main: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    if main not in arrays:
        raise ValueError(f'{path.name} must hold an array "{main}", it has {sorted(arrays)}')
    return arrays
