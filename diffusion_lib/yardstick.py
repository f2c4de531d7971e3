"""What sets of sprites are measured with: the judge, the critic, and real sprites to stand beside them."""

from dataclasses import replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from .checkpoints import Checkpoint, load_checkpoint
from .data import ImageData, load_images
from .folding import folded
from .guidance import clipped, guided
from .metrics import (
    class_accuracy,
    count_copies,
    denoising_error,
    frechet_to,
    kind_accuracy,
    load_classifier,
)

REAL, OTHERS = 5000, 1000


def split_real(data: ImageData) -> tuple[ImageData, ImageData, ImageData]:
    """5,000 training images that samples are compared with, 1,000 others, and all but those 1,000.

    Always the same ones.
    """
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    others = order[REAL : REAL + OTHERS]
    all_but_others = torch.cat((order[:REAL], order[REAL + OTHERS :]))
    return data.subset(order[:REAL]), data.subset(others), data.subset(all_but_others)


class Yardstick:
    """Measures sets of sprites; what real ones get is measured once, when it is first asked for.

    The seed is that of the noise of the denoising error. Take it from `yardstick`, which keeps it.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.training, self.held_out = load_images("sprites"), load_images("sprites", "held_out")
        self.real, self.others, self.all_but_others = split_real(self.training)
        self.judge = load_classifier()

    @cached_property
    def frechet(self):
        """The Fréchet distance of images to the 5,000 real ones."""
        return frechet_to(self.judge, self.real.images)

    @cached_property
    def critic(self) -> Checkpoint:
        """The network that is asked to denoise: `better`."""
        better = load_checkpoint("better")
        return replace(better, model=folded(better.model))

    def errors(self, images: Tensor, labels: Tensor, salt: int, repeats: int = 1) -> Tensor:
        """The denoising_error of the critic with these classes and weight 1: (N,)."""
        schedule = self.critic.schedule
        predict_noise = clipped(guided(self.critic.model, schedule, labels), schedule)
        return denoising_error(predict_noise, schedule, images, repeats=repeats, seed=self.seed + salt)

    def _measure(self, images: ImageData, pool: ImageData, by_kind: bool) -> dict:
        """As measure, with the denoising error itself."""
        row = {
            "accuracy": class_accuracy(self.judge, images.images, images.labels),
            "frechet": self.frechet(images.images),
            "copies": count_copies(images.images, pool.images),
            "denoising": self.errors(images.images, images.labels, 12345).mean().item(),
        }
        return row | ({"kinds": kind_accuracy(self.judge, images.images, images.kinds)} if by_kind else {})

    @cached_property
    def _others(self) -> dict:
        return self._measure(self.others, self.all_but_others, True)

    def measure(self, images: ImageData, pool: ImageData, by_kind: bool) -> dict:
        """{accuracy, frechet, copies, denoising}, and by_kind the share in which the judge sees the kind.

        denoising is the mean of `errors` over that of other training images, which the critic was trained on:
        held-out ones have a little more than 1. The copies are counted among the images of the pool.
        """
        row = self._measure(images, pool, by_kind)
        return row | {"denoising": row["denoising"] / self._others["denoising"]}

    @cached_property
    def of_real(self) -> dict[str, dict]:
        """What real images get: the floor. Their copies are counted among all training images but them."""
        unseen = split_real(self.held_out)[0].subset(slice(OTHERS))
        return {
            "other training images": self._others | {"denoising": 1.0},
            "held-out images": self.measure(unseen, self.training, True),
        }


@lru_cache(maxsize=1)
def yardstick(seed: int) -> Yardstick:
    """The yardstick with this seed; the same one as before, if that had this seed."""
    return Yardstick(seed)
