"""Are the samples good? Their class, their distance from real images, whether they are copies, and what the
network itself finds of them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .checkpoints import FOLDER, load_tensors
from .classifier import SpriteClassifier
from .samplers import PredictNoise, standard_normal
from .schedule import NoiseSchedule, add_noise, predict_clean

CLASSIFIER = FOLDER / "classifier.safetensors"


def load_classifier() -> SpriteClassifier:
    """The shipped judge of the sprites, in evaluation mode."""
    weights, facts = load_tensors(CLASSIFIER)
    classifier = SpriteClassifier(**facts["config"])
    classifier.load_state_dict(weights)
    return classifier.eval()


@torch.no_grad()
def predict_classes(classifier, images: Tensor, batch_size: int = 500) -> Tensor:
    """The class that the judge sees in each image: a LongTensor (N,), from images (N, C, H, W).

    With the judge's kind_scores in its place, the kind.
    """
    return torch.cat([classifier(batch).argmax(dim=1) for batch in images.split(batch_size)])


def class_accuracy(classifier: SpriteClassifier, images: Tensor, labels: Tensor) -> float:
    """The share of images in which the judge sees the class of their one-hot label, 0 to 1."""
    return (predict_classes(classifier, images) == labels.argmax(dim=1)).float().mean().item()


def kind_accuracy(classifier: SpriteClassifier, images: Tensor, kinds: Tensor) -> float:
    """The share of images in which the judge sees their kind, one of 92, a LongTensor (N,): 0 to 1."""
    return (predict_classes(classifier.kind_scores, images) == kinds).float().mean().item()


class _Features(torch.nn.Module):
    """The judge's features under the name that torchmetrics calls."""

    def __init__(self, classifier: SpriteClassifier):
        super().__init__()
        self.classifier, self.num_features = classifier, classifier.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier.features(images)


def frechet_to(
    classifier: SpriteClassifier, real: Tensor, batch_size: int = 500
) -> Callable[[Tensor], float]:
    """frechet_distance to these real images, whose features are taken once: a function of the generated.

    Raises ValueError for fewer images than features, here and from that function.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # here: it takes as long to import as torch

    distance = FrechetInceptionDistance(feature=_Features(classifier), reset_real_features=False)

    @torch.no_grad()
    def take(name: str, images: Tensor) -> None:
        if len(images) <= classifier.num_features:
            raise ValueError(
                f"{name} must hold more than {classifier.num_features} images, got {len(images)}"
            )
        for batch in images.split(batch_size):
            distance.update(batch, real=name == "real")

    def distance_of(generated: Tensor) -> float:
        distance.reset()  # forgets the generated ones before
        take("generated", generated)
        return distance.compute().item()

    take("real", real)
    return distance_of


def frechet_distance(classifier: SpriteClassifier, real: Tensor, generated: Tensor, batch_size=500) -> float:
    """How far two sets of images are apart in the judge's features; 0 for the same distribution.

    |m_1 - m_2|^2 + trace(C_1 + C_2 - 2 (C_1 C_2)^(1/2)), m and C the means and covariances of the
    features (Heusel et al. 2017, arXiv 1706.08500, eq. 6, with this judge in Inception's place: the
    numbers compare among themselves only). Smaller sets read higher; compare equal sizes.
    Raises ValueError for fewer images than features, which leave a covariance singular.
    """
    return frechet_to(classifier, real, batch_size)(generated)


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each image the training image next to it: its index and how far it is."""

    index: Tensor  # (N,)
    distance: Tensor  # (N,) root mean square over pixels and channels, on the range [-1, 1]


def nearest_images(images: Tensor, training: Tensor, batch_size: int = 250) -> Nearest:
    """The nearest of the training images (M, C, H, W) to each of the images (N, C, H, W)."""
    flat = training.flatten(start_dim=1)
    found = [torch.cdist(batch.flatten(start_dim=1), flat).min(dim=1) for batch in images.split(batch_size)]
    scale = flat.shape[1] ** 0.5
    return Nearest(torch.cat([f.indices for f in found]), torch.cat([f.values for f in found]) / scale)


def count_copies(
    images: Tensor, training: Tensor, exact: float = 0.02, near: float = 0.15
) -> dict[str, float]:
    """The share of images that repeat a training image: {"exact": ..., "near": ...}, each 0 to 1.

    exact: within 0.02 root mean square of one on the range [-1, 1], which no eye tells apart on a sheet;
    near: within 0.15, which is some pixels of another colour. Judge them beside the same
    count for training images among the *other* training images.
    """
    distance = nearest_images(images, training).distance
    return {
        "exact": (distance < exact).float().mean().item(),
        "near": (distance < near).float().mean().item(),
    }


@torch.no_grad()
def denoising_error(
    predict_noise: PredictNoise,
    schedule: NoiseSchedule,
    images: Tensor,
    t: int | None = None,
    repeats: int = 1,
    seed: int = 12345,
) -> Tensor:
    """How badly a network cleans each image: (N,), from images (N, ...) as predict_noise wants them.

    The mean square of predict_clean(x_t) - image, x_t the image noised to step t: for a prediction that is
    not clipped, the squared error of the noise divided by the signal to noise ratio. t = None is T // 4; with
    the shipped schedule and 16 pixels the form can then be made out and the details cannot. Mean over
    `repeats` noises from the seed; the mean of many images needs one, a single image four. Not the seed that
    drew the images: their own x_T would come again as noise.

    If samples had the distribution of the real images, a network would clean both equally well on average.
    A higher mean says that they hold more that is strange to it, or rich; a lower one, that they are plainer.
    It looks at each image alone, so it does not notice if all are alike, and a network finds less of what it
    does not know itself: ask the best one. It needs no classes, and no judge. Compare with real images that
    it was not trained on. (A test of typicality: Nalisnick et al. 2019, arXiv 1906.02994.) Raises ValueError
    for a t outside 1 .. T and for less than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    t = max(schedule.num_steps // 4, 1) if t is None else schedule.index(t, lowest=1)
    generator = torch.Generator().manual_seed(seed)
    total = 0
    for _ in range(repeats):
        x_t = add_noise(schedule, images, t, standard_normal(images, generator))
        clean = predict_clean(schedule, x_t, t, predict_noise(x_t, t))
        total = total + (clean - images).square().flatten(start_dim=1).mean(dim=1)
    return total / repeats
