"""Trains with each bug, samples with each bug, measures, and draws: data/symptoms/."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor
from tqdm import tqdm

from .. import training
from ..checkpoints import Checkpoint, load_tensors, save_tensors
from ..data import DATA, ImageData, load_images
from ..devices import knows_bfloat16
from ..files import write_text
from ..guidance import clipped, guided
from ..plots import draw_without_windows, plot_losses_beside, save_figure, save_png, sheet
from ..samplers import last, sample_ddpm
from ..schedule import NoiseSchedule
from ..training import train
from ..unet import ContextUnet
from .bugs import (
    WithoutSkips,
    WithoutTime,
    loss_without_root,
    negated,
    stretched,
    with_random_shortcut,
    wrapped_ddim,
    wrong_ddpm,
)
from .measures import as_sampled, loss_without_context, measure, probe

FOLDER = DATA / "symptoms"
CLASSES = 5  # the digits 0 to 4: half of them are learned in half the time
COUNT = 100  # samples of each; the first eight of each class make the sheet
SIZE = (1, 16, CLASSES, 16)  # of the network
SCHEDULE = NoiseSchedule.linear(100, 1e-3, 0.2)  # the shipped model's in a fifth of its steps

# name: (network, what differs in training)
TRAINED: dict[str, tuple[Callable, dict]] = {
    "right": (ContextUnet, {}),
    "no_root": (ContextUnet, {"loss": loss_without_root}),
    "random_shortcut": (with_random_shortcut, {}),
    "no_skips": (WithoutSkips, {}),
    "no_time": (WithoutTime, {}),
    "negated": (ContextUnet, {"change": negated}),
    "mask_flipped": (ContextUnet, {"context_dropout": 0.9}),  # 0.1 are kept where 0.1 should be dropped
    "no_dropout": (ContextUnet, {"context_dropout": 0.0}),
    "leaking_schedule": (ContextUnet, {"schedule": NoiseSchedule.linear(100, 5e-4, 0.1)}),
}
# name: the network that is sampled with that thing wrong, or for comparison
SAMPLED = dict.fromkeys(("guided", "no_context", "no_noise", "uniform_noise", "beta_for_sigma", "last_noise",
                         "training_mode", "wrapped_ddim", "stretched"), "right")  # fmt: skip
SAMPLED |= {
    f"{name}_{how}": name for name in ("no_dropout", "mask_flipped") for how in ("guided", "no_context")
}


def digits(split: str = "train") -> ImageData:
    """The digits 0 to 4 alone, so that the class is the digit."""
    data = load_images("digits", split)
    return data.only(data.class_names[:CLASSES])


def make_model(name: str, data: ImageData, steps: int, folder: Path) -> Checkpoint:
    """The network of that name, trained, or from `folder` if it is there; its curves are its facts."""
    network, differs = TRAINED[name]
    differs = dict(differs)
    schedule = differs.pop("schedule", SCHEDULE)
    torch.manual_seed(0)
    model = network(*SIZE)
    path = folder / f"{name}-{steps}.safetensors"
    if path.exists():
        weights, facts = load_tensors(path)
        model.load_state_dict(weights)
        return Checkpoint(model.eval(), schedule, facts)
    loss = differs.pop("loss", training.noise_prediction_loss)
    data = differs.pop("change", lambda unchanged: unchanged)(data)
    epochs = max(1, round(steps / (len(data) // 32)))
    differs["mixed_precision"] = knows_bfloat16(torch.device("cpu"))
    run = train(model, schedule, data, num_epochs=epochs, batch_size=32, learning_rate=3e-3, **differs)
    bar = tqdm(run, total=epochs * (len(data) // 32), desc=name, dynamic_ncols=True)
    with patch.object(training, "noise_prediction_loss", loss):
        seen = [(step.loss, step.run) for step in bar]
    losses, run = [loss for loss, _ in seen], seen[-1][1]
    total, count = run.loss_history[-((epochs + 3) // 4) :].sum(dim=0)  # the last quarter of the training
    parts = torch.tensor(losses).tensor_split(20)
    facts = {
        "loss_by_t": [round(value, 4) for value in (total / count).tolist()],
        "loss_along": [round(part.mean().item(), 4) for part in parts],
    }
    save_tensors(path, run.ema_model.state_dict(), facts)
    return Checkpoint(run.ema_model, schedule, facts)


def samples(name: str, checkpoint: Checkpoint, context: Tensor) -> Tensor:
    """What the bug of that name makes of one hundred wishes and the same first noise."""
    model, schedule = as_sampled(name, checkpoint.model), checkpoint.schedule
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)  # for the shortcut that is random at each call
    x_T = torch.randn(len(context), 1, 16, 16, generator=generator)
    if name == "training_mode":

        def predict_noise(x_t, t):
            return model(x_t, torch.full((1,), t / schedule.num_steps), context)
    else:
        weight = 3.0 if name.endswith("guided") else 0.0 if name.endswith("no_context") else 1.0
        predict_noise = guided(model, schedule, context, weight)
    predict_noise = clipped(predict_noise, schedule)
    if name in ("no_noise", "uniform_noise", "beta_for_sigma", "last_noise"):
        steps = wrong_ddpm(name, predict_noise, schedule, x_T, generator)
    elif name == "wrapped_ddim":
        steps = wrapped_ddim(predict_noise, schedule, x_T)
    else:
        steps = sample_ddpm(predict_noise, schedule, x_T, generator=generator)
    images = last(steps)
    return stretched(images) if name == "stretched" else images


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m diffusion_lib.symptoms", description="What bugs look like.")
    p.add_argument("--steps", type=int, default=1200, help="training steps with each bug")
    p.add_argument(
        "--only", nargs="+", metavar="NAME", help="these alone; the other numbers stay as they are"
    )
    p.add_argument("--out", type=Path, default=FOLDER, help="where pictures and numbers go")
    p.add_argument("--models", type=Path, default=Path("runs/symptoms"), help="where trained networks stay")
    options = p.parse_args(arguments)
    if options.steps < 100:
        p.error(f"--steps must be at least 100, got {options.steps}")
    if not set(options.only or ()) <= {*TRAINED, *SAMPLED}:
        p.error(f"--only knows {', '.join((*TRAINED, *SAMPLED))}, got {' '.join(options.only)}")
    draw_without_windows()
    how = options.steps, options.models
    data, others = digits(), digits("held_out")
    context = torch.eye(CLASSES).repeat(COUNT // CLASSES, 1)
    shown = torch.arange(COUNT).view(-1, CLASSES).T[:, :8].flatten()  # eight of each class, in rows
    path = options.out / "symptoms.json"
    known = json.loads(path.read_text(encoding="utf-8")) if options.only and path.exists() else {}
    table = known | {"real": measure(others.images, others.labels, data)}

    def curves(trained: Checkpoint) -> dict:
        without = loss_without_context(trained.model, trained.schedule, others)
        return trained.facts | {"loss_without": without}

    right = curves(make_model("right", data, *how))
    for name in options.only or (*TRAINED, *SAMPLED):
        trained = SAMPLED.get(name, name)
        checkpoint = make_model(trained, data, *how)
        images = samples(name, checkpoint, context)
        table[name] = measure(images, context, data)
        table[name] |= probe(name, checkpoint.model, checkpoint.schedule, others)
        save_png(options.out / f"{name}.png", sheet(images[shown], columns=8))
        if name in TRAINED:
            table[name] |= right if name == "right" else curves(checkpoint)
            beside = {} if name == "right" else {"this one": table[name]}
            figure = plot_losses_beside({"right": right} | beside)
            save_figure(options.out / f"{name}-loss.png", figure, dpi=80)
        print(name, json.dumps(table[name]))
        order = [key for key in ("real", *TRAINED, *SAMPLED) if key in table]
        lines = ",\n".join(f' "{key}": {json.dumps(table[key])}' for key in order)
        write_text(path, f"{{\n{lines}\n}}\n")
    return 0
