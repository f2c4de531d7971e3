"""Samples of a checkpoint by the name of a sampler: "ddpm", "ddpm-posterior", "ddim-20"."""

from itertools import cycle

import torch
from torch import Tensor
from tqdm import tqdm

from .autoguidance import guided_by
from .checkpoints import Checkpoint
from .data import ImageData
from .folding import folded
from .guidance import clipped, guided
from .samplers import last, sample_ddim, sample_ddpm

DDPM_VARIANCE = {"ddpm": "beta", "ddpm-posterior": "posterior"}  # of the noise that a step adds


def steps_of(sampler: str, total_steps: int) -> int:
    """The network evaluations of "ddpm", all steps, or of "ddim-20", here 20. ValueError for other names."""
    if sampler in DDPM_VARIANCE:
        return total_steps
    kind, _, count = sampler.partition("-")
    if kind != "ddim" or not count.isdecimal() or not 1 <= int(count) <= total_steps:
        raise ValueError(
            f'a sampler must be "ddpm", "ddpm-posterior" or "ddim-" and 1 .. {total_steps} steps, '
            f"got {sampler!r}"
        )
    return int(count)


def draw_kinds(kinds: Tensor, classes: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
    """For each class in `wanted` (batch,) the kind of a random sprite of that class: (batch,).

    kinds and classes (N,) are those of the data: a kind is drawn as often as its class has it there. Raises
    ValueError for a class of which the data has no sprite.
    """
    drawn = torch.empty_like(wanted)
    for k in wanted.unique():
        own, asked = kinds[classes == k], wanted == k
        if not len(own):
            raise ValueError(f"wanted must hold classes that the data has, got {k}")
        drawn[asked] = own[torch.randint(len(own), (int(asked.sum()),), generator=generator)]
    return drawn


def alike(classes: Tensor, wanted: Tensor) -> list[int]:
    """For each class in `wanted` (batch,) the place of an image of it in `classes` (N,), each once.

    (Twice only where more are wanted than there are.) For a sheet that mixes real and generated images: some
    classes look odd whoever drew them, so both halves must hold the same. Raises ValueError for a class that
    no image has.
    """
    places = {k: (classes == k).nonzero()[:, 0].tolist() for k in wanted.tolist()}
    if missing := [k for k, found in places.items() if not found]:
        raise ValueError(f"wanted must hold classes that an image has, got {missing}")
    turns = {k: cycle(found) for k, found in places.items()}
    return [next(turns[k]) for k in wanted.tolist()]


def wishes(checkpoint: Checkpoint, sprites: ImageData, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """What to ask a model of the sprites for, each class in turn: labels (count, 5), contexts (count, K).

    Where its classes are the sprites' five, both are the same. Where they are the 92 kinds, each wish is the
    kind of a sprite of that class, drawn from `sprites`: kinds come as often as there. Raises ValueError for
    a model of other images.
    """
    classes, model = len(sprites.class_names), checkpoint.model
    names = checkpoint.class_names or sprites.class_names
    if (model.in_channels, model.n_cfeat, model.height) != (3, len(names), 16):
        raise ValueError(
            f"the model must draw sprites, 3 x 16 x 16, of classes that it names, or of {classes}: "
            f"this one has {model.config}"
        )
    labels = torch.eye(classes)[torch.arange(count) % classes]
    if names == sprites.class_names:
        return labels, labels
    if names != sprites.kind_names:
        raise ValueError(f"the model must draw sprites, this one draws {', '.join(names)}")
    generator = torch.Generator().manual_seed(seed + 1)  # `draw` makes the noise from the seed itself
    kinds = draw_kinds(sprites.kinds, sprites.labels.argmax(dim=1), labels.argmax(dim=1), generator)
    return labels, torch.nn.functional.one_hot(kinds, len(names)).float()


def draw(
    checkpoint: Checkpoint,
    labels: Tensor,
    sampler: str,
    seed: int,
    mixed_precision: bool = False,
    weight: float = 1.0,
    guide: Checkpoint | None = None,
) -> Tensor:
    """A sample for each label, with a progress bar.

    sampler is "ddpm", "ddpm-posterior" (its noise has the smaller variance of x_{t-1} given x_t and x_0, see
    ddpm_step), or "ddim-20" for 20 steps.
    weight is that of guidance; 1 is plain conditioning. The guide is asked without context: the model itself,
    or another one with the same schedule. mixed_precision lets the convolutions and the sum of guidance
    compute in bfloat16, which is faster where the processor knows it. Raises ValueError for another sampler
    or a guide that does not fit.
    """
    check_guide(checkpoint, guide, weight)
    model, schedule = folded(checkpoint.model), checkpoint.schedule
    if guide is None:
        plain = guided(model, schedule, labels, weight)
    else:
        plain = guided_by(guided(folded(guide.model), schedule), guided(model, schedule, labels), weight)

    def network(x_t: Tensor, t) -> Tensor:
        with torch.autocast(x_t.device.type, torch.bfloat16, enabled=mixed_precision):
            return plain(x_t, t).to(x_t.dtype)

    predict_noise = clipped(network, schedule)
    generator = torch.Generator().manual_seed(seed)
    size = (len(labels), model.in_channels, model.height, model.height)
    x_T = torch.randn(size, generator=generator)
    num_steps = steps_of(sampler, schedule.num_steps)
    if variance := DDPM_VARIANCE.get(sampler):
        steps = sample_ddpm(predict_noise, schedule, x_T, variance=variance, generator=generator)
    else:
        steps = sample_ddim(predict_noise, schedule, x_T, num_steps=num_steps, generator=generator)
    return last(tqdm(steps, total=num_steps + 1, desc=sampler, dynamic_ncols=True))


def check_guide(checkpoint: Checkpoint, guide: Checkpoint | None, weight: float) -> None:
    """ValueError if the guide's images or its schedule are not the model's, or if weight is 1."""
    if guide is None:
        return
    if weight == 1:
        raise ValueError("a guide needs a weight other than 1, which leaves it out")
    if any(guide.model.config[key] != checkpoint.model.config[key] for key in ("in_channels", "height")):
        raise ValueError(f"the guide must draw the same images, this one has {guide.model.config}")
    if not torch.equal(guide.schedule.beta, checkpoint.schedule.beta):
        raise ValueError("the guide must have been trained with the model's schedule, this one has another")
