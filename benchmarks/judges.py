"""Who says how good samples are: the course's judge for sprites, and one made on the spot for digits."""

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from diffusion_lib.classifier import SpriteClassifier, fit_classifier
from diffusion_lib.data import ImageData, load_images
from diffusion_lib.metrics import class_accuracy, frechet_distance, load_classifier
from diffusion_lib.yardstick import split_real

DATA = ("sprites", "digits")
DIGITS_EPOCHS = 20


@dataclass(frozen=True, eq=False)
class Judge:
    """A classifier, the real images that samples are compared with, and other real ones: the floor."""

    classifier: SpriteClassifier
    real: Tensor
    floor: ImageData
    sign: int = 1  # -1: it looks at negatives

    def measure(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """{"frechet", "accuracy"} of these images, clipped to what a picture can hold."""
        seen = self.sign * images.float().nan_to_num(0).clamp(-1, 1)
        distance = frechet_distance(self.classifier, self.sign * self.real, seen)
        return {"frechet": distance, "accuracy": class_accuracy(self.classifier, seen, labels)}

    def measure_floor(self) -> dict[str, float]:
        """What other real images get."""
        return self.measure(self.floor.images, self.floor.labels)


def find_judge(name: str, training: ImageData) -> Judge:
    """The judge of "sprites" or "digits". For digits one is trained first, always the same way.

    Sprites: 5,000 training images, and 1,000 others as the floor. Digits: all training images (there are some
    1,600), and the held-out ones as the floor; these are so few, below 200, that it reads high.
    Raises ValueError for another name.
    """
    if name == "sprites":
        real, others, _ = split_real(training)
        return Judge(load_classifier(), real.images, others)
    if name != "digits":
        raise ValueError(f"data must be one of {', '.join(DATA)}, got {name!r}")
    torch.manual_seed(0)
    classifier = SpriteClassifier(list(range(10)), in_channels=1)
    classes = training.labels.argmax(dim=1)
    # Negatives, because what fit_classifier shifts in from outside is white, and digits stand on black.
    epochs = fit_classifier(classifier, -training.images, classes, DIGITS_EPOCHS)
    for _ in tqdm(epochs, total=DIGITS_EPOCHS, desc="judge of the digits", dynamic_ncols=True, leave=False):
        pass
    return Judge(classifier.eval(), training.images, load_images("digits", "held_out"), sign=-1)
