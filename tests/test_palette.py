"""few_colours: how many are left, which, and what it refuses."""

import pytest
import torch

from diffusion_lib import palette
from diffusion_lib.data import load_images
from diffusion_lib.palette import few_colours


def count(image):
    return len(image.flatten(1).T.unique(dim=0))


def test_a_flat_drawing_with_noise_becomes_flat_again(generator):
    shades = torch.tensor([[-1.0, -1, -1], [0.9, 0.1, 0.0], [0.0, 0.5, -0.5]])
    which = torch.randint(0, 3, (4, 8, 8), generator=generator)
    drawing = shades[which].permute(0, 3, 1, 2)
    noisy = drawing + 0.05 * torch.randn(drawing.shape, generator=generator)
    flat = few_colours(noisy, 3)
    assert [count(image) for image in noisy] == [64] * 4 and [count(image) for image in flat] == [3] * 4
    assert (flat - drawing).abs().max() < 0.05 < (noisy - drawing).abs().max()
    for image, places in zip(flat, which):  # one colour for what was one
        for colour in range(3):
            assert count(image[:, places == colour]) == 1


def test_a_ground_that_is_mostly_pure_white_becomes_pure_white(generator):
    image = torch.ones(1, 3, 8, 8)
    image[:, :, :, :2] -= 0.03 * torch.rand(1, 3, 8, 2, generator=generator)  # a quarter is a hair darker
    image[:, :, :, 6:] = -1 + 0.03 * torch.rand(1, 3, 8, 2, generator=generator)
    flat = few_colours(image, 2)
    assert torch.equal(flat[:, :, :, :6], torch.ones(1, 3, 8, 6)) and count(flat[0]) == 2


@pytest.mark.parametrize(
    ("shade", "becomes"), [(0.99, 1.0), (0.95, 0.95), (-0.97, -1.0), (1.01, 1.0), (1.1, 1.1), (0.0, 0.0)]
)
def test_what_is_nearly_at_the_end_of_the_range_is_put_there(generator, shade, becomes):
    """White that is some levels below white would show as a frame on a white page."""
    image = shade + 0.002 * torch.rand(1, 3, 8, 8, generator=generator)
    image[:, :, :, 6:] = 0.5
    flat = few_colours(image, 2)
    assert count(flat[0]) == 2
    # Half of what was added to the shade on average, where it does not end at -1 or 1.
    assert flat[:, :, :, :6].sub(becomes).abs().max() <= (0 if abs(becomes) == 1 else 0.002)


def test_what_has_few_colours_stays_as_it_is():
    images = load_images("sprites").images[::480]
    few = [count(image) <= 12 for image in images]
    assert 0 < sum(few) < 50
    flat = few_colours(images, smoothness=0)
    for before, after, same in zip(images, flat, few):
        assert torch.equal(before, after) == same and count(after) == min(count(before), 12)
    for before, after, same in zip(images, few_colours(images), few):
        assert torch.equal(before, after) == same and count(after) <= 12


@pytest.mark.parametrize("channels", [1, 3])
def test_a_speck_joins_its_neighbours_and_an_eye_stays(channels):
    image = torch.full((1, channels, 8, 8), 0.5)
    image[:, :, :, 4:] = 0.1
    image[0, :, 0, 0] = 0.51  # a third colour, so that there is something to do
    image[0, :, 3, 1] = 0.27  # nearer to the other half, by colour
    image[0, :, 6, 6] = -1.0
    by_colour = few_colours(image, 3, smoothness=0)[0, 0]
    settled = few_colours(image, 3)[0, 0]
    assert by_colour[3, 1] == by_colour[3, 7] == pytest.approx(0.1), "a speck"
    assert settled[6, 6] == by_colour[6, 6] == -1
    assert torch.equal(settled[:, :4], torch.full((8, 4), 0.5))
    around = settled[:, 4:].flatten()
    assert torch.equal(around[around > -1], torch.full((31,), 0.1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("difference", "stays"), [(0.31, False), (0.33, True)])
def test_how_different_a_lone_pixel_must_be(channels, difference, stays):
    """Eight neighbours hold 4 + 4 * 0.7 = 6.8 times the smoothness: sqrt(6.8 * 0.015) = 0.319."""
    image = torch.zeros(1, channels, 8, 8)
    image[:, :, :, 7] = 1.0
    image[:, :, 0, 0] = 0.001  # a fourth colour, so that there is something to do
    image[0, :, 4, 3] = -difference
    flat = few_colours(image, 3)[0, 0]
    assert (flat[4, 3].item() == pytest.approx(-difference)) == stays
    assert flat[4, 3].item() == pytest.approx(-difference if stays else 0, abs=1e-3)


def test_settling_brings_neighbours_together(generator):
    colours = torch.rand(12, 10, 3, generator=generator, dtype=torch.float64).numpy()
    groups = torch.randint(0, 5, (12, 10), generator=generator).numpy()
    settled = palette._settled(colours, groups, 0.015)
    assert agreeing(settled) > agreeing(groups) + 10


def agreeing(groups):
    """How many pairs of pixels beside each other are in one group."""
    return (groups[1:] == groups[:-1]).sum() + (groups[:, 1:] == groups[:, :-1]).sum()


@pytest.mark.parametrize("channels", [1, 3])
def test_shape_dtype_and_independence(channels, device):
    images = torch.randn(3, channels, 8, 4, device=device)
    before = images.clone()
    flat = few_colours(images, 5)
    assert flat.shape == images.shape and flat.dtype == images.dtype and flat.device == images.device
    assert torch.equal(images, before)
    assert torch.equal(flat[1:2], few_colours(images[1:2], 5))
    assert few_colours(images[:0], 5).shape == (0, channels, 8, 4)


def test_the_state_of_random_numbers_is_left_alone():
    before = torch.get_rng_state()
    few_colours(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)), 4)
    assert torch.equal(torch.get_rng_state(), before)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"images must be \(N, channels, height, width\), got \(3, 8, 8\)"):
        few_colours(torch.zeros(3, 8, 8))
    for wrong in (0, -1, 2.5, True):
        with pytest.raises(
            ValueError, match=f"num_colours must be a whole number of at least 1, got {wrong}"
        ):
            few_colours(torch.zeros(1, 3, 8, 8), wrong)
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"smoothness must be at least 0 and finite, got {wrong}"):
            few_colours(torch.zeros(1, 3, 8, 8), 4, wrong)
