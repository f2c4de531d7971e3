"""The sprites: rebuilt to the same bytes as the card says, split by shape, and drawn as the format says."""

import re
from pathlib import Path

import numpy as np
import pytest

from diffusion_lib import artwork, sprites

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="module")
def shipped():
    with np.load(DATA / "sprites.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_rebuilding_gives_the_arrays_of_the_card(shipped):
    card = (DATA / "README.md").read_text(encoding="utf-8")
    promised = re.search(r"\b[0-9a-f]{64}\b", card).group()
    assert sprites.sha256(shipped) == promised
    assert sprites.sha256(sprites.draw_sprites()) == promised


def test_the_file_itself_is_the_same_each_time(shipped, tmp_path):
    for name in ("a", "b"):
        sprites.write_npz(tmp_path / name, {key: array[:500] for key, array in shipped.items()})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a", "b"]
    assert (DATA / "sprites.npz").stat().st_size < 5_000_000


def test_size_and_variety(shipped):
    images, labels = shipped["images"], shipped["labels"]
    assert images.shape == (24_000, 16, 16, 3) and images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [4_800] * 5
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)
    shapes_of_class = [len(np.unique(shipped["shapes"][labels == k])) for k in range(5)]
    assert min(shapes_of_class) >= 3_000
    kinds_of_class = [len(np.unique(shipped["kinds"][labels == k])) for k in range(5)]
    assert kinds_of_class[1] >= 8 and kinds_of_class[2] >= 10 and kinds_of_class[3] >= 10


def test_held_out_shapes_are_never_trained_on(shipped):
    held_out = set(shipped["shapes"][shipped["held_out"]])
    trained = set(shipped["shapes"][~shipped["held_out"]])
    assert not held_out & trained
    assert 0.08 < len(held_out) / len(held_out | trained) < 0.12
    for kind in range(len(shipped["kind_names"])):
        assert shipped["held_out"][shipped["kinds"] == kind].any()


def test_every_sprite_fills_its_frame_and_has_contrast(shipped):
    drawn = (shipped["images"] != 255).any(axis=3)
    height, width = drawn.any(axis=2).sum(axis=1), drawn.any(axis=1).sum(axis=1)
    assert np.maximum(height, width).min() >= 10
    assert shipped["images"].min(axis=(1, 2, 3)).max() < 90  # a dark line somewhere in each


ART = """; a test
kind dot 2
colour abc body = red blue
colour xyz rim = red
part base square at 4,4
abc
aoc
part cap none times 3
part cap line at 4,2 ring
x#z
"""


@pytest.fixture
def kind(tmp_path):
    (tmp_path / "art.txt").write_text(ART)
    (only,) = artwork.read_artwork(tmp_path / "art.txt")
    return only


def test_the_artwork_format(kind):
    assert (kind.name, kind.weight, kind.ramps) == ("dot", 2, [["red", "blue"], ["red"]])
    assert [part.weight for part in kind.layers["cap"]] == [3, 1]
    base, line = kind.layers["base"][0], kind.layers["cap"][1]
    first = 3  # cells: 0 empty, 1 line, 2 white, then outline, dark, mid, light for each colour
    assert base.cells[4, 4:7].tolist() == [first + 1, first + 2, first + 3]
    assert base.cells[5, 4:7].tolist() == [first + 1, sprites.WHITE, first + 3]
    shape = sprites.assemble([base, line])
    assert shape[3, 4] == 7, "the ring is the cap's own outline, over the base's"
    assert shape[6, 4] == first and shape[6, 5] == sprites.LINE, "outline by the colour above, white: line"
    assert shape[2, 5] == sprites.LINE and shape[1, 5] == sprites.EMPTY, "'#' gets no outline"
    assert shape[1, 4] == 7 and shape[0, 4] == sprites.EMPTY, "an outline gets no outline"


def test_two_colours_never_share_a_ramp_if_they_can_avoid_it(kind):
    import random

    palettes = {"red": np.full((4, 3), 10, np.uint8), "blue": np.full((4, 3), 20, np.uint8)}
    images = [image for _, image in sprites.draw_kind(kind, 4, palettes, random.Random(0))]
    assert len(images) == 4
    with pytest.raises(ValueError, match="dot has only 4 different images, 5 are needed"):
        sprites.draw_kind(kind, 5, palettes, random.Random(0))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("abc\naoc", "abq\naoc", r"art.txt, before line 8 .*: dot has no colour for the letter 'q'"),
        ("at 4,4", "at 14,4", "sticks out of the picture"),
        ("at 4,4", "at 4;4", "art.txt, before line"),
    ],
)
def test_slips_in_the_artwork_are_named(tmp_path, old, new, message):
    (tmp_path / "art.txt").write_text(ART.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        artwork.read_artwork(tmp_path / "art.txt")


def test_half_drawings_are_mirrored(tmp_path):
    (tmp_path / "art.txt").write_text("kind k\ncolour abc x = red\npart p q\nabcabcab\n")
    (only,) = artwork.read_artwork(tmp_path / "art.txt")
    row = only.layers["p"][0].cells[0]
    assert (row == row[::-1]).all() and row.all()
