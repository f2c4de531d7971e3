"""What each bug looks like: python -m diffusion_lib.symptoms makes data/symptoms/ anew.

The shipped model is trained on, for some hundred steps, with one thing wrong at a time and else alike; and
it is sampled with one thing wrong. (From random weights each would take an hour to draw anything that a bug
could be seen in.) Each gives a sheet of samples, the trained ones their loss by t, and all the numbers that
tell them apart, in symptoms.json. A run that was stopped goes on with the next one.
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from tqdm import tqdm

from . import training
from .checkpoints import Checkpoint, load_checkpoint, load_tensors, save_tensors
from .classifier import SpriteClassifier
from .data import DATA, ImageData, load_images
from .guidance import clipped, guided
from .metrics import class_accuracy, frechet_distance, load_classifier
from .plots import save_png, sheet
from .samplers import SamplingStep, ddpm_step, last, sample_ddim, sample_ddpm, standard_normal
from .schedule import NoiseSchedule, per_image, predict_clean
from .training import train
from .unet import ContextUnet, ResidualConvBlock

FOLDER = DATA / "symptoms"
COUNT = 100  # samples of each; the first forty by class make the sheet


class RandomShortcut(ResidualConvBlock):
    """The shortcut of the copied code: a convolution made in forward, with new weights at each call."""

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.conv1(x)
        x2 = self.conv2(x1)
        shortcut = nn.Conv2d(x.shape[1], x2.shape[1], kernel_size=1)
        return (shortcut(x) + x2) / 2**0.5


class WithoutSkips(ContextUnet):
    """Zeros arrive where the skips should: all must pass through the one vector in the middle."""

    def __init__(self, *size):
        super().__init__(*size)
        for up in (self.up1, self.up2):
            up.register_forward_pre_hook(lambda module, args: (args[0], torch.zeros_like(args[1])))
        self.out.register_forward_pre_hook(lambda module, args: args[0] * self.first_half)
        half = torch.arange(2 * self.n_feat).view(-1, 1, 1) < self.n_feat
        self.register_buffer("first_half", half, persistent=False)


class WithoutTime(ContextUnet):
    """The network is never told how noisy its input is."""

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        return super().forward(x, torch.zeros_like(t), c)


def loss_without_root(model, schedule, x_0, t, noise, context=None) -> Tensor:
    """The loss with the noise multiplied by 1 - alpha_bar where its square root belongs."""
    alpha_bar = schedule.alpha_bar[t]
    x_t = per_image(alpha_bar.sqrt(), x_0) * x_0 + per_image(1 - alpha_bar, x_0) * noise
    predicted = model(x_t, t.to(x_t.dtype) / schedule.num_steps, context)
    return (noise - predicted).square().flatten(start_dim=1).mean(dim=1)


def with_random_shortcut(*size) -> ContextUnet:
    """A ContextUnet whose first block has the shortcut of the copied code."""
    model = ContextUnet(*size)
    model.init_conv = RandomShortcut(size[0], size[1], is_res=True)
    return model


def negated(data: ImageData) -> ImageData:
    """The context as the mask code of the labs leaves it: c * (-1 * (1 - mask)), minus one for the class."""
    return replace(data, labels=-data.labels)


# name: (network, what differs in training)
TRAINED: dict[str, tuple[Callable, dict]] = {
    "right": (ContextUnet, {}),
    "no_root": (ContextUnet, {"loss": loss_without_root}),
    "random_shortcut": (with_random_shortcut, {}),
    "no_skips": (WithoutSkips, {}),
    "no_time": (WithoutTime, {}),
    "negated": (ContextUnet, {"change": negated}),
    "no_dropout": (ContextUnet, {"context_dropout": 0.0}),
    "leaking_schedule": (ContextUnet, {"schedule": NoiseSchedule.linear()}),
}


def make_model(name: str, data: ImageData, steps: int, folder: Path) -> tuple[Checkpoint, list]:
    """The network of that name, trained on, and its loss by t; from `folder` if it is there."""
    network, differs = TRAINED[name]
    differs, begin = dict(differs), load_checkpoint("small")
    schedule = differs.pop("schedule", begin.schedule)
    model = network(*begin.model.config.values())
    path = folder / f"{name}-{steps}.safetensors"
    if path.exists():
        weights, facts = load_tensors(path)
        model.load_state_dict(weights)
        return Checkpoint(model.eval(), schedule, facts), facts["loss_by_t"]
    model.load_state_dict(begin.model.state_dict())
    loss = differs.pop("loss", training.noise_prediction_loss)
    data = differs.pop("change", lambda unchanged: unchanged)(data)
    part = data.subset(torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[: steps * 64])
    with patch.object(training, "noise_prediction_loss", loss):
        run = train(model, schedule, part, num_epochs=1, learning_rate=1e-3, ema_decay=0.99, **differs)
        (step,) = deque(tqdm(run, total=steps, desc=name, dynamic_ncols=True), maxlen=1)
    by_t = [round(value, 4) for value in step.run.loss_by_t().tolist()]
    save_tensors(path, step.run.ema_model.state_dict(), {"loss_by_t": by_t})
    return Checkpoint(step.run.ema_model, schedule, {}), by_t


def wrong_ddpm(kind: str, predict_noise, schedule, x_T: Tensor, generator) -> Iterator[SamplingStep]:
    """DDPM with one thing wrong: no_noise, uniform_noise or beta_for_sigma."""
    x_t = x_T
    for t in range(schedule.num_steps, 0, -1):
        with torch.no_grad():
            predicted = predict_noise(x_t, t)
        yield SamplingStep(t, x_t, predicted, predict_clean(schedule, x_t, t, predicted))
        noise, beta = standard_normal(x_t, generator), float(schedule.beta[t])
        if kind == "no_noise":
            noise = torch.zeros_like(noise)
        elif kind == "uniform_noise":
            noise = torch.rand(x_t.shape, generator=generator)
        elif kind == "beta_for_sigma":
            noise = noise * beta**0.5  # sigma = sqrt(beta): beta in all
        x_t = ddpm_step(schedule, x_t, t, predicted, noise)
    yield SamplingStep(0, x_t, None, x_t)


def stretched(images: Tensor) -> Tensor:
    """The labs' display: each image and channel by its own least and greatest value."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return (images - low) / (high - low) * 2 - 1


def samples(name: str, checkpoint: Checkpoint, context: Tensor) -> Tensor:
    """What the bug of that name makes of one hundred wishes and the same first noise."""
    model, schedule = checkpoint.model, checkpoint.schedule
    generator = torch.Generator().manual_seed(0)
    x_T = torch.randn(len(context), 3, 16, 16, generator=generator)
    if name == "training_mode":
        model.train()
        c = context

        def predict_noise(x_t, t):
            return model(x_t, torch.full((1,), t / schedule.num_steps), c)
    else:
        weight = 3.0 if name in ("no_dropout", "guided") else 1.0
        predict_noise = clipped(guided(model, schedule, context, weight), schedule)
    if name in ("no_noise", "uniform_noise", "beta_for_sigma"):
        steps = wrong_ddpm(name, predict_noise, schedule, x_T, generator)
    elif name in ("ddpm", "stretched"):
        steps = sample_ddpm(predict_noise, schedule, x_T, generator=generator)
    else:
        steps = sample_ddim(predict_noise, schedule, x_T, num_steps=50)
    images = last(steps)
    return stretched(images) if name == "stretched" else images


SAMPLED = ("ddpm", "no_noise", "uniform_noise", "beta_for_sigma", "training_mode", "stretched")


def measure(images: Tensor, context: Tensor, real: ImageData, judge: SpriteClassifier) -> dict:
    """The numbers that tell the bugs apart. brightness: mean over white ground and figure, -1 to 1."""
    return {
        "accuracy": round(class_accuracy(judge, images, context), 3),
        "frechet": round(frechet_distance(judge, real.images, images), 1),
        "brightness": round(images.mean().item(), 3),
        "deviation": round(images.std().item(), 3),
        "outside": round((images.abs() > 1.001).float().mean().item(), 3),
    }


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m diffusion_lib.symptoms", description="What bugs look like.")
    p.add_argument("--steps", type=int, default=100, help="training steps with each bug, at most 300")
    p.add_argument("--out", type=Path, default=FOLDER, help="where pictures and numbers go")
    p.add_argument("--models", type=Path, default=Path("runs/symptoms"), help="where trained networks stay")
    options = p.parse_args(arguments)
    if not 1 <= options.steps <= 300:
        p.error(f"--steps must lie in 1 .. 300 (one pass through the data), got {options.steps}")
    data, judge = load_images("sprites"), load_classifier()
    context = torch.eye(5).repeat(COUNT // 5, 1)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    real, others = data.subset(order[:2000]), data.subset(order[2000 : 2000 + COUNT])
    table = {"real": measure(others.images, others.labels, real, judge)}
    shown = torch.arange(COUNT).view(-1, 5).T[:, :8].flatten()  # eight of each class, in rows
    for name in (*TRAINED, *SAMPLED):
        if name in TRAINED:
            checkpoint, by_t = make_model(name, data, options.steps, options.models)
        else:
            checkpoint, by_t = load_checkpoint("small"), None
        images = samples(name, checkpoint, context)
        table[name] = measure(images, context, real, judge) | ({"loss_by_t": by_t} if by_t else {})
        save_png(options.out / f"{name}.png", sheet(images[shown], columns=8))
        print(name, json.dumps(table[name]))
    text = json.dumps(table, indent=1) + "\n"
    (options.out / "symptoms.json.tmp").write_text(text, encoding="utf-8")
    (options.out / "symptoms.json.tmp").replace(options.out / "symptoms.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
