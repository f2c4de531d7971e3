"""The last touch for pixel art: few colours, each of them flat."""

import numpy as np
import torch
from torch import Tensor


def few_colours(images: Tensor, num_colours: int = 12) -> Tensor:
    """The same images with at most num_colours colours each: k-means groups an image's pixels by colour.

    A network gives every pixel a shade of its own; the median sprite of this course has 13. Each group gets
    its median in each channel, so that a ground of mostly pure white becomes pure white. k-means sees
    colours and not places: small bright details can be lost. images (N, channels, height, width), finite;
    what has no more colours stays as it is. No image depends on another, or on a random state.

    Raises ValueError for another shape or for less than one colour.
    """
    from sklearn.cluster import KMeans  # only here: it takes a second

    if images.ndim != 4:
        raise ValueError(f"images must be (N, channels, height, width), got {tuple(images.shape)}")
    if isinstance(num_colours, bool) or not isinstance(num_colours, int) or num_colours < 1:
        raise ValueError(f"num_colours must be a whole number of at least 1, got {num_colours!r}")
    pixels = images.detach().permute(0, 2, 3, 1).flatten(1, 2).cpu().double().numpy()  # (N, h * w, channels)
    result = pixels.copy()
    for before, after in zip(pixels, result):
        if len(np.unique(before, axis=0)) > num_colours:
            group_of = KMeans(num_colours, n_init=1, random_state=0).fit_predict(before)
            for group in np.unique(group_of):
                after[group_of == group] = np.median(before[group_of == group], axis=0)
    flat = torch.from_numpy(result).view(len(images), *images.shape[2:], images.shape[1]).permute(0, 3, 1, 2)
    return flat.to(images.dtype).to(images.device).contiguous()
