"""Picture files in a folder, as arrays. Each folder in it is a class."""

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".png", ".gif", ".bmp", ".webp", ".jpg", ".jpeg")


def read_pictures(folder: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The pictures below a folder, in the order of their names.

    images uint8 (N, H, W, 3), or (N, H, W) where all are grey; classes int64 (N,); the classes' names.
    What is transparent becomes white, the ground of the course's sprites. Of an animation the first
    picture counts. Hidden files and folders are passed over, and so are files that are no pictures.

    Raises ValueError if there is no picture, if some lie in folders and some beside them, if one cannot be
    read, has 16 bits a channel or another size than the first. Nothing is scaled or cut.
    """
    found = [PurePosixPath(path.relative_to(folder).as_posix()) for path in folder.rglob("*")]  # "/" anywhere
    seen = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    paths = sorted(path for path in seen if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"{folder} holds no pictures ({', '.join(SUFFIXES)}), nor MNIST's files")
    beside = [path for path in paths if len(path.parts) == 1]
    if beside and len(beside) < len(paths):
        raise ValueError(
            f"{folder}: {beside[0]} is in no class, its neighbours are folders: move it into one"
        )
    class_of = [folder.resolve().name if beside else path.parts[0] for path in paths]
    names = sorted(set(class_of))
    pictures, first = [], None
    for path in paths:
        picture = _read(folder, path)
        first = first or picture
        if picture.size != first.size:
            sizes = [f"{width}x{height}" for width, height in (picture.size, first.size)]
            raise ValueError(
                f"{folder}: {path} is {sizes[0]}, {paths[0]} is {sizes[1]}: all must be of one size"
            )
        pictures.append(picture)
    if not all(picture.mode == "L" for picture in pictures):
        pictures = [picture.convert("RGB") for picture in pictures]
    return np.stack(pictures), np.array([names.index(name) for name in class_of]), names


def _read(folder: Path, path: PurePosixPath) -> Image.Image:
    """A picture on white, of mode L if it is grey and RGB if not."""
    try:
        with Image.open(folder / path) as file:
            picture = ImageOps.exif_transpose(file)  # as a photograph was held; it also reads the pixels
    # A damaged file ends in any of these, by its format; Pillow's own error for huge ones is none of OSError.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{folder}: {path} cannot be read: {error}") from error
    if picture.mode.startswith(("I", "F")):
        raise ValueError(f"{folder}: {path} must have 8 bits a channel, it has mode {picture.mode}")
    colours = picture.convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), colours)
    return on_white.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")
