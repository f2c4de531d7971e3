"""Reading data: what comes back, and that each kind of broken file is refused with a sentence."""

import gzip
import io
import os
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_lib.data import load_images, to_display

PICTURES = np.arange(12 * 8 * 8 * 3, dtype=np.uint8).reshape(12, 8, 8, 3)


def test_sprites():
    train, held_out, both = (load_images("sprites", split) for split in ("train", "held_out", "all"))
    assert len(train) + len(held_out) == len(both) == 24_000
    assert train.images.shape[1:] == (3, 16, 16) and train.images.dtype == torch.float32
    assert -1 <= train.images.min() < -0.9 and train.images.max() == 1  # dark lines on white
    assert train.class_names == ("hero", "non-hero", "food", "spell & item", "side-facing")
    assert torch.equal(train.labels.sum(dim=1), torch.ones(len(train)))
    assert (train.labels.sum(dim=0) > 4_000).all() and (held_out.labels.sum(dim=0) > 300).all()
    few = train.subset(slice(3))
    assert len(few) == len(few.labels) == len(few.kinds) == 3
    names = [train.kind_names[kind] for kind in train.kinds]
    classes = [train.class_names[label] for label in train.labels.argmax(dim=1)]
    assert all(name.split("/")[0] == of for name, of in zip(names, classes))


def test_kinds_are_the_sprites_with_finer_labels():
    for split in ("train", "held_out"):
        sprites, kinds = load_images("sprites", split), load_images("kinds", split)
        assert torch.equal(kinds.images, sprites.images) and torch.equal(kinds.kinds, sprites.kinds)
        assert kinds.class_names == sprites.kind_names and len(kinds.class_names) == 92
        assert torch.equal(kinds.labels.argmax(dim=1), sprites.kinds)
        assert torch.equal(kinds.labels.sum(dim=1), torch.ones(len(kinds)))


def test_some_classes_alone():
    kinds = load_images("kinds", "held_out")
    few = kinds.only(["food/pear", "food/apple"])
    apples = kinds.labels[:, kinds.class_names.index("food/apple")] == 1
    assert few.class_names == ("food/pear", "food/apple") and few.labels.shape == (len(few), 2)
    assert torch.equal(few.images[few.labels[:, 1] == 1], kinds.images[apples])
    assert (few.labels.sum(dim=1) == 1).all()
    assert {few.kind_names[kind] for kind in few.kinds.tolist()} == {"food/apple", "food/pear"}
    with pytest.raises(ValueError, match=r"must be among the data's \(food/apple, .*\), got 'apple'"):
        kinds.only(["apple"])
    with pytest.raises(ValueError, match="each class may be named once, got food/pear, food/pear"):
        kinds.only(["food/pear", "food/pear"])


def test_digits():
    train, held_out = load_images("digits"), load_images("digits", "held_out")
    assert (len(train), len(held_out)) == (1618, 179)
    assert train.images.shape[1:] == (1, 16, 16) and train.labels.shape[1] == 10
    assert train.images.min() == -1 and train.images.max() > 0.9


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 5)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path


def test_mnist(mnist):
    train = load_images(mnist)
    assert train.images.shape == (20, 1, 28, 28) and train.labels.shape == (20, 10)
    assert len(load_images(mnist, "held_out")) == 5
    raw = (mnist / "train-images-idx3-ubyte").read_bytes()[16:]
    assert torch.equal(
        train.images.flatten(), torch.frombuffer(bytearray(raw), dtype=torch.uint8) / 127.5 - 1
    )


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("train-images-idx3-ubyte", lambda b: b[:-1], "should have 15696 bytes, got 15695: is it cut off?"),
        ("train-images-idx3-ubyte", lambda b: b + b"x", "should have 15696 bytes, got 15697"),
        ("train-images-idx3-ubyte", lambda b: b[:7], "is not an IDX file of bytes with 3 axes"),
        (
            "train-images-idx3-ubyte",
            lambda b: b"\0\0\x0d\3" + b[4:],
            "is not an IDX file of bytes with 3 axes",
        ),
        ("train-images-idx3-ubyte", lambda b: b"", "is not an IDX file"),
        ("train-labels-idx1-ubyte.gz", lambda b: b[:-6], "cannot be unpacked"),
        ("train-labels-idx1-ubyte.gz", lambda b: b"no gzip", "cannot be unpacked"),
        (
            "train-labels-idx1-ubyte.gz",
            lambda b: gzip.compress(idx(np.zeros(19, np.uint8))),
            "train: 20 images but 19 labels",
        ),
    ],
)
def test_damaged_mnist_is_refused(mnist, file, damage, message):
    path = mnist / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        load_images(mnist)


def test_missing_mnist_is_named(mnist):
    (mnist / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="has no file t10k-images-idx3-ubyte"):
        load_images(mnist)


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(12) % 3,
        (np.arange(12) % 3).astype(np.uint8),
        (np.arange(12) % 3).astype(np.float32),
        np.eye(3)[np.arange(12) % 3],
        np.eye(3, dtype=bool)[np.arange(12) % 3],
        np.eye(3, dtype=np.int64)[np.arange(12) % 3],
    ],
    ids=lambda a: f"{a.dtype} {a.ndim}d",
)
def test_arrays_of_your_own(tmp_path, labels):
    np.savez(tmp_path / "mine.npz", images=PICTURES, labels=labels)
    np.save(tmp_path / "mine.npy", PICTURES)
    np.save(tmp_path / "labels.npy", labels)
    data = load_images(tmp_path / "mine.npz", "all")
    assert data.images.shape == (12, 3, 8, 8) and data.class_names == ("0", "1", "2")
    assert torch.equal(data.labels.argmax(dim=1), torch.arange(12) % 3)
    assert torch.equal(data.images, torch.from_numpy(PICTURES).movedim(3, 1) / 127.5 - 1)
    for given in (labels, tmp_path / "labels.npy", str(tmp_path / "labels.npy")):
        again = load_images(tmp_path / "mine.npy", "all", labels=given)
        assert torch.equal(again.labels, data.labels) and torch.equal(again.images, data.images)
    assert len(load_images(tmp_path / "mine.npz")) == 11
    assert len(load_images(tmp_path / "mine.npz", "held_out")) == 1


def test_two_classes_of_one_name(tmp_path):
    np.savez(tmp_path / "mine.npz", images=PICTURES, labels=np.arange(12) % 3, class_names=["a", "b", "a"])
    with pytest.raises(ValueError, match="mine.npz: each class must have a name of its own, got 'a' twice"):
        load_images(tmp_path / "mine.npz")


def test_grey_images_without_labels(tmp_path):
    np.save(tmp_path / "grey.npy", PICTURES[..., 0])
    data = load_images(str(tmp_path / "grey.npy"), "all")
    assert data.images.shape == (12, 1, 8, 8) and data.labels.shape == (12, 1)


def test_held_out_images_come_from_every_class(tmp_path):
    """Also where the labels come round with a period of ten."""
    images = np.zeros((200, 8, 8), np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(200) % 10)
    held_out = load_images(tmp_path / "mine.npz", "held_out")
    assert held_out.labels.sum(dim=0).tolist() == [2] * 10
    digits = load_images("digits", "held_out").labels.sum(dim=0)
    assert digits.min() >= 17 and digits.max() <= 19


def test_labels_where_they_do_not_belong_are_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", images=PICTURES)
    for source in ("sprites", "digits", tmp_path / "mine.npz"):
        with pytest.raises(ValueError, match="labels go with a .npy of images alone"):
            load_images(source, labels=np.zeros(12))
    np.save(tmp_path / "mine.npy", PICTURES)
    np.savez(tmp_path / "labels.npz", labels=np.arange(12) % 2)
    assert load_images(tmp_path / "mine.npy", labels=tmp_path / "labels.npz").labels.shape == (11, 2)
    with pytest.raises(ValueError, match='mine.npz must hold an array "labels"'):
        load_images(tmp_path / "mine.npy", labels=tmp_path / "mine.npz")


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_damage_anywhere_in_a_packed_file_is_refused(tmp_path, kind):
    path = tmp_path / "packed.npz"
    with zipfile.ZipFile(path, "w", kind) as archive:
        buffer = io.BytesIO()
        np.save(buffer, np.random.default_rng(0).integers(0, 9, (12, 8, 8, 3), dtype=np.uint8))
        archive.writestr("images.npy", buffer.getvalue())
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 25):
        path.write_bytes(
            whole[:place] + bytes(b ^ 0xFF for b in whole[place : place + 40]) + whole[place + 40 :]
        )
        try:
            load_images(path)
        except ValueError:
            continue
        raise AssertionError(f"damage at {place} was not noticed")


@pytest.fixture
def pictures(tmp_path):
    """Twenty pictures in two folders, whose every pixel is the picture's number."""
    for number in range(20):
        folder = tmp_path / "mine" / ("wolf" if number % 2 else "apple")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 100, 200)).save(folder / f"{number:02}.png")
    return tmp_path / "mine"


def test_a_folder_of_pictures(pictures):
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".cache").mkdir()
    (pictures / "a folder.png").mkdir()
    (pictures / "wolf" / "more").mkdir()
    for hidden in (".cache/hidden.png", "wolf/more/._19.png"):
        Image.new("RGB", (5, 7)).save(pictures / hidden)
    (pictures / "wolf" / "19.png").rename(pictures / "wolf" / "more" / "19.PNG")
    data = load_images(pictures, "all")
    assert data.class_names == ("apple", "wolf") and data.images.shape == (20, 3, 8, 8)
    numbers = ((data.images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()
    assert numbers == [*range(0, 20, 2), *range(1, 20, 2)]
    assert (data.labels.argmax(dim=1) == torch.tensor(numbers) % 2).all()
    assert (to_display(data.images)[:, 3, 3, 1] == 100).all()
    assert load_images(str(pictures), "held_out").labels.sum(dim=0).tolist() == [1, 1]
    assert load_images(pictures).in_words() == "18 images, 3x8x8: apple 9, wolf 9"


def test_classes_stand_in_the_order_in_which_people_count(tmp_path):
    for name in ("10", "2", "dog 9", "dog 10", "1", "01"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), len(name)).save(tmp_path / name / "only.png")
    data = load_images(tmp_path)
    assert data.class_names == ("01", "1", "2", "10", "dog 9", "dog 10")
    assert torch.equal(data.labels, torch.eye(6))  # none is held out: each is its class's only one


@pytest.mark.skipif(os.name != "posix", reason="Windows lets few users make links")
def test_linked_folders_are_read(pictures):
    (pictures.parent / "other").mkdir()
    (pictures.parent / "other" / "linked").symlink_to(pictures / "wolf")
    data = load_images(pictures.parent / "other", "all")
    assert len(data) == 10 and data.class_names == ("linked",)
    (pictures / "wolf" / "back").symlink_to(pictures)
    (pictures / "apple" / "across").symlink_to(pictures / "wolf")
    assert load_images(pictures, "all").in_words() == "30 images, 3x8x8: apple 20, wolf 10"


@pytest.mark.parametrize("suffix", ["png", "gif", "webp"])
def test_of_an_animation_the_first_picture_counts(tmp_path, suffix):
    first, second = (Image.new("L", (8, 8), shade).convert("RGB") for shade in (40, 200))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second], lossless=True)
    shown = to_display(load_images(tmp_path, "all").images)
    assert (shown == 40).all() and len(shown) == 1


def test_a_photograph_is_read_as_it_was_held(tmp_path):
    picture = Image.new("L", (8, 8))
    picture.putpixel((7, 0), 255)  # at the top, on the right
    exif = picture.getexif()
    exif[0x0112] = 6  # to be shown turned to the right
    picture.save(tmp_path / "a.png", exif=exif)
    assert to_display(load_images(tmp_path, "all").images)[0, 7, 7, 0] == 255


def test_pictures_without_folders_are_one_class(pictures, monkeypatch):
    data = load_images(pictures / "wolf", "all")
    assert len(data) == 10 and data.class_names == ("wolf",)
    monkeypatch.chdir(pictures / "wolf")
    assert load_images(".", "all").class_names == ("wolf",)


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "shown"),
    [
        ("RGBA", (10, 20, 30, 0), "png", (255, 255, 255)),  # transparent: whatever the colour
        ("RGBA", (0, 0, 0, 51), "png", (204, 204, 204)),
        ("LA", (0, 0), "png", (255,)),
        ("L", 7, "png", (7,)),
        ("1", 1, "png", (255,)),
        ("P", 0, "gif", (9, 8, 7)),
        ("CMYK", (0, 0, 0, 0), "jpg", (255, 255, 255)),
        ("RGB", (9, 8, 7), "bmp", (9, 8, 7)),
    ],
)
def test_pictures_of_all_kinds(tmp_path, mode, colour, suffix, shown):
    picture = Image.new(mode, (8, 8), colour)
    if mode == "P":
        picture.putpalette([9, 8, 7])
    picture.save(tmp_path / f"a.{suffix}")
    pixels = (load_images(tmp_path, "all").images + 1) * 127.5
    assert pixels.shape == (1, len(shown), 8, 8)
    assert pixels[0, :, 4, 4].round().int().tolist() == list(shown)


def test_one_picture_in_colour_makes_all_so(tmp_path):
    Image.new("L", (8, 8), 50).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "b.png")
    shown = to_display(load_images(tmp_path, "all").images)
    assert shown[:, 0, 0].tolist() == [[50, 50, 50], [1, 2, 3]]


def test_bad_pictures_are_refused(pictures):
    empty = pictures.parent / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"empty holds no pictures \(.png, .*, nor MNIST's files"):
        load_images(empty)
    stray = pictures / "stray.png"
    Image.new("RGB", (8, 8)).save(stray)
    with pytest.raises(ValueError, match=r"mine: stray.png is in no class, others lie in folders"):
        load_images(pictures)
    stray.unlink()
    one = pictures / "wolf" / "05.png"
    whole = one.read_bytes()
    for damaged in (b"", b"no picture", whole[:50], whole[: len(whole) // 2]):
        one.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"mine: wolf/05.png cannot be read: "):
            load_images(pictures)
    Image.new("RGB", (8, 8)).save(one, format="TIFF")  # a format by its name only
    with pytest.raises(ValueError, match=r"mine: wolf/05.png cannot be read: "):
        load_images(pictures)
    Image.new("RGB", (8, 12)).save(one)
    sizes = "wolf/05.png is 8 wide and 12 high, apple/00.png is 8 wide and 8 high: all must be of one size"
    with pytest.raises(ValueError, match=sizes):
        load_images(pictures)
    Image.new("I;16", (8, 8)).save(one)
    with pytest.raises(ValueError, match=r"wolf/05.png is 16-bit grey: save it with 8 bits"):
        load_images(pictures)
    Image.new("RGB", (64, 32)).save(empty / "a.png")
    with pytest.raises(ValueError, match="empty: a.png: images must be square .*, got 64 wide and 32 high"):
        load_images(empty)


def test_a_huge_picture_is_refused(tmp_path, monkeypatch):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # Pillow refuses what has more than twice as many
    with pytest.raises(ValueError, match="a.png cannot be read: Image size .* could be decompression bomb"):
        load_images(tmp_path)


def test_a_path_may_begin_at_home(pictures, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(pictures.parent))
    assert len(load_images("~/mine", "all")) == 20
    with pytest.raises(FileNotFoundError, match="there is no file or folder .*yours"):
        load_images("~/yours")


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"PK\x03\x04 no more", "cannot be read"),
        (npz(images=PICTURES)[:-200], "cannot be read"),
        (npz(pictures=PICTURES), 'must hold an array "images"'),
        (npz(images=PICTURES[:0]), "there are no images"),
        (npz(images=PICTURES[0, 0]), r"images must be \(N, H, W, 3\) or \(N, H, W\), got \(8, 3\)"),
        (npz(images=PICTURES[..., :2]), "images must be"),
        (
            npz(images=PICTURES[:, :4]),
            "images must be square and a multiple of 4 high, got 8 wide and 4 high",
        ),
        (
            npz(images=PICTURES[:, :6, :6]),
            "images must be square and a multiple of 4 high, got 6 wide and 6 high",
        ),
        (npz(images=PICTURES / 255), "images must be uint8"),
        (npz(images=np.where(PICTURES == 7, np.nan, PICTURES)), "images must be finite, got NaN or infinity"),
        (
            npz(images=PICTURES, labels=np.arange(11)),
            r"12 images need labels \(N,\) or \(N, K\), got \(11,\)",
        ),
        (npz(images=PICTURES, labels=np.float64(1)), r"12 images need labels"),
        (npz(images=np.uint8(3)), r"images must be \(N, H, W, 3\) or \(N, H, W\), got \(\)"),
        (
            npz(images=PICTURES, labels=np.arange(12) * 10**12),
            "labels must be numbers of classes, got 11000000000000",
        ),
        (npz(images=PICTURES, labels=np.arange(12) - 1), "labels must not be negative, got -1"),
        (npz(images=PICTURES, labels=np.arange(12) + 0.5), "labels must be whole numbers"),
        (npz(images=PICTURES, labels=np.full(12, np.nan)), "labels must be whole numbers"),
        (npz(images=PICTURES, labels=np.full(12, "cat")), "labels must be whole numbers"),
        (npz(images=PICTURES, labels=np.ones((12, 2))), "each row of one-hot labels must hold a single 1"),
        (npz(images=PICTURES, labels=np.array([None] * 12, dtype=object)), "cannot be read"),
        (
            npz(images=PICTURES, labels=np.arange(12), class_names=np.array(["a"])),
            "12 classes but 1 class names",
        ),
    ],
)
def test_bad_arrays_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_images(path)


def test_a_pickle_is_never_opened(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read"):
        load_images(tmp_path / "evil.npy")


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data must be .*, got 'spirtes'"):
        load_images("spirtes")
    with pytest.raises(ValueError, match='split must be "train", "held_out" or "all", got \'test\''):
        load_images("digits", "test")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_images(tmp_path / "nothing.npz")
    np.save(tmp_path / "one.npy", PICTURES[:1])
    with pytest.raises(ValueError, match="no image is in the split 'held_out'"):
        load_images(tmp_path / "one.npy", "held_out")


def test_to_display_has_one_scale_for_all():
    """Bug 7: the labs stretch each image by its own range; a constant image became NaN there."""
    images = torch.stack([torch.full((3, 2, 2), v) for v in (-1.0, 0.0, 1.0, 7.0, -3.0)])
    shown = to_display(images)
    assert shown.dtype == np.uint8 and shown.shape == (5, 2, 2, 3)
    assert shown[:, 0, 0, 0].tolist() == [0, 128, 255, 255, 0]
    assert to_display(torch.zeros(1, 4, 4)).shape == (4, 4, 3)
    pixels = torch.from_numpy(PICTURES).movedim(3, 1)
    assert (to_display(pixels / 127.5 - 1) == PICTURES).all()
    with pytest.raises(ValueError, match="images must have shape"):
        to_display(torch.zeros(2, 4, 4))
