"""The last touch for pixel art: few colours, each of them flat and in one piece where it can be."""

import numpy as np
import torch
from torch import Tensor

# How much a neighbour counts, by its place below and to the right. A diagonal one is farther away.
_NEIGHBOURS = {
    (-1, -1): 0.7, (-1, 0): 1.0, (-1, 1): 0.7,
    (0, -1): 1.0, (0, 1): 1.0,
    (1, -1): 0.7, (1, 0): 1.0, (1, 1): 0.7,
}  # fmt: skip
_END = 0.04  # of the range -1 .. 1: five of 256 levels


def few_colours(images: Tensor, num_colours: int = 12, smoothness: float = 0.015) -> Tensor:
    """The same images with at most num_colours colours each: an image's pixels in groups of like colour.

    A network gives every pixel a shade of its own; the median sprite of this course has 13. k-means makes
    the groups. It sees colours and not places, and leaves specks. So a pixel joins the group for which

    (its colour - the group's)^2, the mean over the channels, - smoothness * (its neighbours in the group)

    is least, where a diagonal neighbour counts 0.7, a quarter of the pixels at a time, each twice (iterated
    conditional modes: Besag 1986, J. R. Stat. Soc. B 48, p. 259). 0 leaves k-means as it is. A lone pixel on
    flat ground stays if it differs from it by more than sqrt(6.8 * smoothness), root mean square over the
    channels, on the range -1 .. 1: by 0.32 as it comes. Finer details are lost. Each group gets its median
    in each channel, and what is closer than 0.04 to -1 or 1 becomes that: a network's white is a level or
    more below white, which is not seen in one pixel, but as a frame around a picture on white.

    images (N, channels, height, width), finite; what has no more colours stays as it is. No image depends on
    another, or on a random state. Raises ValueError for another shape, for less than one colour and for a
    smoothness that is negative or not finite.
    """
    from sklearn.cluster import KMeans  # only here: it takes a second

    if images.ndim != 4:
        raise ValueError(f"images must be (N, channels, height, width), got {tuple(images.shape)}")
    if isinstance(num_colours, bool) or not isinstance(num_colours, int) or num_colours < 1:
        raise ValueError(f"num_colours must be a whole number of at least 1, got {num_colours!r}")
    if not 0 <= smoothness < float("inf"):
        raise ValueError(f"smoothness must be at least 0 and finite, got {smoothness}")
    pixels = images.detach().permute(0, 2, 3, 1).cpu().double().numpy()  # (N, height, width, channels)
    result = pixels.copy()
    for before, after in zip(pixels, result):
        colours = before.reshape(-1, before.shape[-1])
        if len(np.unique(colours, axis=0)) > num_colours:
            groups = KMeans(num_colours, n_init=1, random_state=0).fit_predict(colours)
            groups = groups.reshape(before.shape[:2])
            groups = _settled(before, groups, smoothness) if smoothness else groups
            for group in np.unique(groups):
                colour = np.median(before[groups == group], axis=0)
                at_the_end = np.abs(np.abs(colour) - 1) < _END
                after[groups == group] = np.where(at_the_end, np.sign(colour), colour)
    flat = torch.from_numpy(result).permute(0, 3, 1, 2)
    return flat.to(images.dtype).to(images.device).contiguous()


def _settled(colours: np.ndarray, groups: np.ndarray, smoothness: float) -> np.ndarray:
    """The groups (height, width) of pixels (height, width, channels), after they have looked around."""
    height, width = groups.shape
    row, column = np.indices(groups.shape)
    quarter = 2 * (row % 2) + column % 2  # no two neighbours are in the same one
    for turn in range(8):
        names = np.unique(groups)
        palette = np.stack([np.median(colours[groups == name], axis=0) for name in names])
        far = np.square(colours[:, :, None] - palette).mean(axis=-1)  # (height, width, groups)
        member = np.pad(groups[:, :, None] == names, ((1, 1), (1, 1), (0, 0))).astype(float)
        near = sum(
            counts * member[1 + down : 1 + down + height, 1 + right : 1 + right + width]
            for (down, right), counts in _NEIGHBOURS.items()
        )
        best = names[(far - smoothness * near).argmin(axis=-1)]
        groups = np.where(quarter == turn % 4, best, groups)
    return groups
