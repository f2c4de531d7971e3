"""How good is a model? python -m diffusion_lib.evaluate small

Draws samples of all classes with DDPM and with DDIM and measures them with the shipped judge:
class accuracy, Frechet distance to 5,000 training images, and copies. Beside them stands the floor:
what 1,000 other training images, and 1,000 held-out ones, get. --write keeps the numbers in the
checkpoint. The judge itself is made by python -m diffusion_lib.evaluate --fit-classifier.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .checkpoints import Checkpoint, load_checkpoint, save_checkpoint, save_tensors
from .classifier import SpriteClassifier, fit_classifier
from .data import ImageData, load_images
from .guidance import clipped, guided
from .metrics import CLASSIFIER, class_accuracy, count_copies, frechet_distance, load_classifier
from .plots import save_png, sheet
from .samplers import SamplingStep, sample_ddim, sample_ddpm

REAL, OTHERS = 5000, 1000


def draw(steps: Iterator[SamplingStep], num_steps: int, name: str) -> Tensor:
    """Runs a sampler to its end with a progress bar."""
    step = None
    for step in tqdm(steps, total=num_steps + 1, desc=name, dynamic_ncols=True):
        pass
    return step.x_t


def split_real(data: ImageData) -> tuple[ImageData, ImageData]:
    """The 5,000 training images that samples are compared with, and 1,000 others, always the same."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    return data.subset(order[:REAL]), data.subset(order[REAL : REAL + OTHERS])


def measure(checkpoint: Checkpoint, samples: int, samplers: list[str], seed: int, sheets: Path | None) -> dict:
    """{sampler: {accuracy, frechet, floors, copies, seconds}} for names such as "ddpm" and "ddim-20"."""
    training, held_out = load_images("sprites"), load_images("sprites", "held_out")
    real, others = split_real(training)
    judge, model, schedule = load_classifier(), checkpoint.model, checkpoint.schedule
    unseen = held_out.subset(torch.randperm(len(held_out), generator=torch.Generator().manual_seed(1))[:OTHERS])
    rest = training.images[torch.randperm(len(training), generator=torch.Generator().manual_seed(1))[REAL:]]
    table = {
        "other training images": score(judge, real.images, others)
        | {"copies": count_copies(real.images[:OTHERS], rest)},
        "held-out images": score(judge, real.images, unseen)
        | {"copies": count_copies(unseen.images, training.images)},
    }
    labels = torch.eye(model.n_cfeat)[torch.arange(samples) % model.n_cfeat]
    predict_noise = clipped(guided(model, schedule, labels), schedule)
    for name in samplers:
        generator = torch.Generator().manual_seed(seed)
        x_T = torch.randn(samples, model.in_channels, model.height, model.height, generator=generator)
        kind, _, count = name.partition("-")
        start = time.monotonic()
        if kind == "ddpm":
            steps = sample_ddpm(predict_noise, schedule, x_T, generator=generator)
            images = draw(steps, schedule.num_steps, name)
        else:
            steps = sample_ddim(predict_noise, schedule, x_T, num_steps=int(count), generator=generator)
            images = draw(steps, int(count), name)
        seconds = round(time.monotonic() - start, 1)
        table[name] = score(judge, real.images, ImageData(images, labels, training.class_names))
        table[name] |= {"copies": count_copies(images, training.images), "seconds": seconds}
        if sheets is not None:
            save_png(sheets / f"{name}.png", sheet(images[:100], columns=model.n_cfeat * 4))
    return table


def score(judge: SpriteClassifier, real: Tensor, images: ImageData) -> dict[str, float]:
    accuracy = class_accuracy(judge, images.images, images.labels)
    return {"accuracy": accuracy, "frechet": frechet_distance(judge, real, images.images)}


def show(table: dict) -> None:
    floor = table["other training images"]["frechet"]
    print(f"{'':24}{'accuracy':>9}{'Frechet':>9}{'/ floor':>9}{'exact':>8}{'near':>8}{'seconds':>9}")
    for name, row in table.items():
        exact, near = row["copies"]["exact"], row["copies"]["near"]
        print(
            f"{name:24}{row['accuracy']:>9.1%}{row['frechet']:>9.3f}{row['frechet'] / floor:>9.1f}"
            f"{exact:>8.1%}{near:>8.1%}{row.get('seconds', 0):>9.0f}"
        )


def make_classifier(num_epochs: int) -> None:
    """Trains the judge on the training split and saves it with its accuracy on the held-out one."""
    training, held_out = load_images("sprites"), load_images("sprites", "held_out")
    torch.manual_seed(0)
    config = {"in_channels": training.images.shape[1], "num_classes": len(training.class_names)}
    judge = SpriteClassifier(**config)
    epochs = fit_classifier(judge, training.images, training.labels, num_epochs)
    for loss in tqdm(epochs, total=num_epochs, desc="classifier"):
        accuracy = class_accuracy(judge, held_out.images, held_out.labels)
        tqdm.write(f"loss {loss:.4f}, held-out accuracy {accuracy:.2%}")
    save_tensors(CLASSIFIER, judge.state_dict(), {"config": config, "held_out_accuracy": accuracy})


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m diffusion_lib.evaluate", description="Measure a model.")
    p.add_argument("model", nargs="?", default="small", help="a shipped model's name or a checkpoint's path")
    p.add_argument("--samples", type=int, default=1000, help="images for each sampler (default 1000)")
    p.add_argument("--samplers", default="ddpm,ddim-20,ddim-50", help="default: ddpm,ddim-20,ddim-50")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--sheets", type=Path, help="a folder for a sheet of each sampler")
    p.add_argument("--write", action="store_true", help="keep the numbers in the checkpoint's facts")
    p.add_argument("--fit-classifier", type=int, metavar="EPOCHS", help="make the judge anew instead")
    options = p.parse_args(arguments)
    try:
        if options.fit_classifier:
            make_classifier(options.fit_classifier)
            return 0
        checkpoint = load_checkpoint(options.model)
        names = options.samplers.split(",")
        table = measure(checkpoint, options.samples, names, options.seed, options.sheets)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show(table)
    print(json.dumps(table))
    if options.write:
        path = Path(options.model) if Path(options.model).suffix else CLASSIFIER.with_stem(options.model)
        facts = {k: v for k, v in checkpoint.facts.items() if k != "config"} | {"quality": table}
        save_checkpoint(path, checkpoint.model, checkpoint.schedule, **facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
