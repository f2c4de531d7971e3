"""Images to train on: the course's sprites, scikit-learn's digits, MNIST files, pictures of your own."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .readers import check_size, read_arrays, read_idx, read_pictures

DATA = Path(__file__).resolve().parent.parent / "data"
HELD_OUT_EVERY = 10  # where a data set brings no split of its own, each tenth image is held out


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images with their labels.

    images (N, channels, height, width) float32 in [-1, 1]; labels (N, K) one-hot float32;
    class_names K names. The sprites also tell what each shows: kinds, a LongTensor (N,) that points
    into kind_names ("food/apple"); elsewhere kinds is None.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    kinds: Tensor | None = None
    kind_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, index) -> "ImageData":
        """The images that a slice, mask or LongTensor picks."""
        kinds = None if self.kinds is None else self.kinds[index]
        return replace(self, images=self.images[index], labels=self.labels[index], kinds=kinds)

    def only(self, class_names: Sequence[str]) -> "ImageData":
        """The images of these classes alone, in the order of the data; labels has a column for each name.

        ValueError for a name that is no class of this data, or stands there twice.
        """
        names = tuple(class_names)
        for name in names:
            if name not in self.class_names:
                known = ", ".join(self.class_names)
                raise ValueError(f"class_names must be among the data's ({known}), got {name!r}")
        if len(set(names)) != len(names):
            raise ValueError(f"each class may be named once, got {', '.join(names)}")
        columns = [self.class_names.index(name) for name in names]
        few = self.subset(self.labels[:, columns].any(dim=1))
        return replace(few, labels=few.labels[:, columns], class_names=names)

    def fingerprint(self) -> str:
        """SHA-256 of the images and labels, in their order."""
        digest = hashlib.sha256(self.images.numpy())
        digest.update(self.labels.numpy())
        return digest.hexdigest()

    def in_words(self) -> str:
        """How many images of which size, and of each class: "30 images, 3x16x16: cat 10, dog 20"."""
        size = "x".join(map(str, self.images.shape[1:]))
        counts = [f"{name} {count:,.0f}" for name, count in zip(self.class_names, self.labels.sum(dim=0))]
        more = [f"and {len(counts) - 20} more classes"] if len(counts) > 20 else []
        return f"{len(self):,} images, {size}: {', '.join(counts[:20] + more)}"


def load_images(name_or_path: str | Path, split: str = "train", labels=None) -> ImageData:
    """A data set by its name, or from files of your own.

    "sprites"   this course's 16x16 colour sprites in 5 classes; held out: one shape in ten
    "kinds"     the same sprites, and the classes are the 92 kinds, "food/apple" to "spell & item/wand"
    "digits"    scikit-learn's 8x8 handwriting, scaled to 16x16; held out: one image in ten
    "mnist"     the IDX files (also .gz) in data/mnist; or the path of a folder that holds them
    a folder    of picture files, all of one size, square, a multiple of 4 high; each folder in it is
                a class (readers.py, read_pictures). Held out: one image in ten
    a file      .npy or .npz: uint8 (N, H, W, 3) or (N, H, W), square, a multiple of 4 high. An .npz
                holds "images" and, if there are any, "labels"; beside a .npy, `labels` names its file
                or is an array: whole numbers (N,) or one-hot (N, K). Held out: one image in ten

    split is "train", "held_out" or "all". Raises ValueError for an unknown name or split and for files
    that are damaged, empty, of a wrong shape or type, not finite, or of different lengths;
    FileNotFoundError for what is not there. Nothing is ever unpickled.
    """
    if split not in ("train", "held_out", "all"):
        raise ValueError(f'split must be "train", "held_out" or "all", got {split!r}')
    name, path = str(name_or_path), Path(name_or_path).expanduser()
    if labels is not None and path.suffix != ".npy":
        raise ValueError(f"labels go with a .npy of images alone, got {name_or_path!r}, which brings its own")
    if name == "sprites":
        return _sprites(split)
    if name == "kinds":
        sprites = _sprites(split)
        one_hot = torch.nn.functional.one_hot(sprites.kinds, len(sprites.kind_names)).float()
        return replace(sprites, labels=one_hot, class_names=sprites.kind_names)
    if name == "digits":
        return _digits(split)
    if name == "mnist":
        return _mnist(DATA / "mnist", split)
    if path.is_dir():
        is_mnist = any(path.glob("*-idx?-ubyte*"))
        return _mnist(path, split) if is_mnist else _make(str(path), *read_pictures(path), None, split)
    if path.suffix not in (".npy", ".npz"):
        if len(path.parts) > 1 and not path.exists():
            raise FileNotFoundError(f"there is no file or folder {path}")
        known = '"sprites", "kinds", "digits", "mnist", a folder, .npy or .npz'
        raise ValueError(f"data must be {known}, got {name!r}")
    arrays = read_arrays(path)
    if labels is None:
        labels = arrays.get("labels")
    elif isinstance(labels, (str, Path)):
        labels = read_arrays(Path(labels), "labels")["labels"]
    return _make(path.name, arrays["images"], labels, arrays.get("class_names"), None, split)


def to_display(images: Tensor) -> np.ndarray:
    """uint8 (..., height, width, 3) from images (..., channels, height, width) in [-1, 1].

    One fixed scale for all: -1 is 0 and 1 is 255, and what lies outside is clipped. (Stretching each
    image by its own range, as some labs do, hides range errors and shifts colours.)
    Raises ValueError unless there are 1 or 3 channels.
    """
    if images.ndim < 3 or images.shape[-3] not in (1, 3):
        raise ValueError(f"images must have shape (..., 1 or 3, height, width), got {tuple(images.shape)}")
    values = ((images.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    channels_last = values.movedim(-3, -1)
    return channels_last.expand(*channels_last.shape[:-1], 3).numpy()


def _sprites(split: str) -> ImageData:
    arrays = read_arrays(DATA / "sprites.npz")
    held_out = arrays["held_out"]
    data = _make("sprites.npz", arrays["images"], arrays["labels"], arrays["class_names"], held_out, split)
    kinds = torch.from_numpy(arrays["kinds"][_keep(held_out, split)]).long()
    return replace(data, kinds=kinds, kind_names=tuple(map(str, arrays["kind_names"])))


def _digits(split: str) -> ImageData:
    from sklearn.datasets import load_digits  # takes a second to import, so only where it is wanted

    digits = load_digits()
    small = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16 * 255
    large = torch.nn.functional.interpolate(small, size=16, mode="bilinear").round().to(torch.uint8)
    names = [str(digit) for digit in digits.target_names]
    return _make("digits", large[:, 0].numpy(), digits.target, names, None, split)


def _mnist(folder: Path, split: str) -> ImageData:
    images = {part: read_idx(folder, f"{part}-images-idx3-ubyte", 3) for part in ("train", "t10k")}
    labels = {part: read_idx(folder, f"{part}-labels-idx1-ubyte", 1) for part in ("train", "t10k")}
    for part in images:
        if len(images[part]) != len(labels[part]):
            raise ValueError(f"{part}: {len(images[part])} images but {len(labels[part])} labels")
    held_out = np.repeat([False, True], [len(images["train"]), len(images["t10k"])])
    both = [np.concatenate(list(arrays.values())) for arrays in (images, labels)]
    return _make(folder.name, *both, [str(digit) for digit in range(10)], held_out, split)


def _one_in_ten(classes: np.ndarray) -> np.ndarray:
    """Which images to hold out: every tenth of each class, in an order that is random but always the same."""
    order = np.random.default_rng(0).permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    held_out = np.zeros(len(classes), bool)
    held_out[order[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]] = True
    return held_out & (np.bincount(classes)[classes] > 1)  # a class of one image is trained on


def _keep(held_out: np.ndarray, split: str) -> np.ndarray:
    return {"train": ~held_out, "held_out": held_out, "all": np.ones(len(held_out), bool)}[split]


def _make(source: str, images: np.ndarray, labels, names, held_out, split: str) -> ImageData:
    """Checks what was read and takes the split; held_out None means one image in ten."""
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8:
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            raise ValueError(f"{source}: images must be finite, got NaN or infinity")
        raise ValueError(f"{source}: images must be uint8 (0 to 255), got {images.dtype}")
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"{source}: images must be (N, H, W, 3) or (N, H, W), got {images.shape}")
    if len(images) == 0:
        raise ValueError(f"{source}: there are no images")
    height, width = images.shape[1:3]
    check_size(source, width, height)
    one_hot = _one_hot(source, len(images), labels, names)
    names = tuple(map(str, range(one_hot.shape[1]) if names is None else names))
    if doubled := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"{source}: each class must have a name of its own, got {doubled[0]!r} twice")
    keep = _keep(_one_in_ten(one_hot.argmax(dim=1).numpy()) if held_out is None else held_out, split)
    if not keep.any():
        raise ValueError(f"{source}: no image is in the split {split!r} (of {len(images)} images)")
    pixels = torch.from_numpy(images[keep]).movedim(3, 1).contiguous().float() / 127.5 - 1
    return ImageData(pixels, one_hot[torch.from_numpy(keep)], names)


def _one_hot(source: str, count: int, labels, names) -> Tensor:
    """(N, K) float32 from class numbers or one-hot rows; without labels all images are of one class."""
    labels = np.zeros(count, int) if labels is None else np.asarray(labels)
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise ValueError(f"{source}: {count} images need labels (N,) or (N, K), got {labels.shape}")
    if labels.dtype.kind not in "biuf" or not np.isfinite(labels).all() or (labels != labels.round()).any():
        raise ValueError(f"{source}: labels must be whole numbers, got {labels.dtype}")
    if labels.ndim == 2:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise ValueError(f"{source}: each row of one-hot labels must hold a single 1")
        one_hot = torch.from_numpy(labels.astype(np.float32))
    else:
        if labels.min() < 0:
            raise ValueError(f"{source}: labels must not be negative, got {int(labels.min())}")
        if labels.max() > max(count, 1000):
            raise ValueError(f"{source}: labels must be numbers of classes, got {int(labels.max())}")
        classes = int(labels.max()) + 1 if names is None else max(len(names), int(labels.max()) + 1)
        one_hot = torch.nn.functional.one_hot(torch.from_numpy(labels.astype(np.int64)), classes).float()
    if names is not None and len(names) != one_hot.shape[1]:
        raise ValueError(f"{source}: {one_hot.shape[1]} classes but {len(names)} class names")
    return one_hot
