"""The numbers that tell the bugs apart: of a sheet, and of the network itself."""

import copy

import torch
from torch import Tensor, nn

from ..data import ImageData
from ..metrics import nearest_images
from ..schedule import NoiseSchedule, add_noise
from ..training import noise_prediction_loss


def as_sampled(name: str, model: nn.Module) -> nn.Module:
    """The network in the mode in which the sheet of that name samples it; a copy in training mode."""
    return copy.deepcopy(model).train() if name == "training_mode" else model.eval()


@torch.no_grad()
def probe(name: str, model: nn.Module, schedule: NoiseSchedule, real: ImageData) -> dict:
    """How the network itself answers; the greatest difference in its noise for eight noisy images at T / 4.

    twice: asked again; alone: asked for one image without the others; time: told another t; context:
    told another class.
    """
    model, t, generator = as_sampled(name, model), schedule.num_steps // 4, torch.Generator().manual_seed(0)
    x_0, context = real.images[:8], real.labels[:8]
    x_t = add_noise(schedule, x_0, t, torch.randn(x_0.shape, generator=generator))
    fraction = torch.tensor([t / schedule.num_steps])
    first = model(x_t, fraction, context)
    others = {
        "twice": model(x_t, fraction, context),
        "alone": model(x_t[:1], fraction, context[:1]),
        "time": model(x_t, 3 * fraction, context),
        "context": model(x_t, fraction, context.roll(1, dims=1)),
    }
    return {key: round((other - first[: len(other)]).abs().max().item(), 3) for key, other in others.items()}


@torch.no_grad()
def loss_without_context(model: nn.Module, schedule: NoiseSchedule, real: ImageData) -> list[float]:
    """The loss by t of a network that is told no context: twenty values, on held-out digits."""
    generator = torch.Generator().manual_seed(0)
    images, result = real.images.repeat(4, 1, 1, 1), []
    for part in torch.arange(1, schedule.num_steps + 1).tensor_split(20):
        t = part[torch.randint(len(part), (len(images),), generator=generator)]
        noise = torch.randn(images.shape, generator=generator)
        loss = noise_prediction_loss(model.eval(), schedule, images, t, noise)
        result.append(round(loss.mean().item(), 4))
    return result


def measure(images: Tensor, context: Tensor, real: ImageData) -> dict:
    """The numbers of a sheet that tell the bugs apart.

    accuracy: the share whose nearest real digit is the one that was asked for; distance: how far that one
    is; apart: how much samples of one class differ from their mean; mean: that of all values, so their
    brightness, -1 to 1; outside: the share of values beyond that; found: how often each digit (a column)
    came for each wish (a row).
    """
    nearest = nearest_images(images, real.images)
    found = context.T @ real.labels[nearest.index]
    mean = context @ (context.T @ images.flatten(1) / context.sum(dim=0)[:, None])
    return {
        "accuracy": round((found.trace() / found.sum()).item(), 2),
        "distance": round(nearest.distance.mean().item(), 3),
        "apart": round((images.flatten(1) - mean).square().mean().sqrt().item(), 3),
        "mean": round(images.mean().item(), 3),
        "outside": round((images.abs() > 1.001).float().mean().item(), 3),
        "found": found.int().tolist(),
    }
