"""How good is a model? python -m diffusion_lib.evaluate small

Draws samples of all classes with DDPM and with DDIM and measures them with the shipped judge:
class accuracy, Fréchet distance to 5,000 training images, copies, and the error with which `better`
denoises them, over that for other training images. Beside them stands the floor: what 1,000 other training
images, and 1,000 held-out ones, get. --write keeps the numbers; --fit-classifier makes the judge.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .checkpoints import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint, save_tensors
from .classifier import SpriteClassifier, fit_classifier
from .data import ImageData, load_images
from .drawing import alike, check_guide, draw, steps_of, wishes
from .metrics import CLASSIFIER, class_accuracy
from .palette import few_colours
from .plots import save_png, sheet
from .yardstick import yardstick


def measure(
    checkpoint: Checkpoint,
    samples: int,
    samplers: list[str],
    seed: int,
    sheets: Path | None,
    mixed_precision: bool = False,
    weight: float = 1.0,
    colours: int | None = None,
    guide: str | None = None,
    best_of: int = 1,
) -> dict:
    """{name: {accuracy, frechet, copies, denoising, seconds}} for real images and then for each sampler.

    Yardstick.measure says what the first four are; the copies of samples are counted among all training
    images, and the seconds are those of drawing and choosing. best_of = 4 draws four for each sample and
    keeps the one whose error is least, so its denoising is low by design. With another weight than 1 the
    sampler's name is followed by it, ddpm-weight-2, with a guide by its name, ddpm-weight-2-guide-small,
    with `colours` by their number, ddpm-colours-12, and ddpm-best-of-4. For a model of the 92 kinds a row
    has "kinds", too: the share in which the judge sees the kind.
    """
    by = yardstick(seed)
    if samples <= by.judge.num_features:
        raise ValueError(f"--samples must be more than {by.judge.num_features}, got {samples}")
    labels, contexts = wishes(checkpoint, by.training, samples, seed)
    by_kind = contexts.shape[1] > labels.shape[1]
    for option, value in (("--colours", colours), ("--best-of", best_of)):
        if value is not None and value < 1:
            raise ValueError(f"{option} must be at least 1, got {value}")
    guide_checkpoint = None if guide is None else load_checkpoint(guide)
    check_guide(checkpoint, guide_checkpoint, weight)
    for name in samplers:  # all of them now, and not after the minutes of the first
        steps_of(name, checkpoint.schedule.num_steps)

    table = {name: row | {"seconds": 0.0} for name, row in by.of_real.items()}
    if not by_kind:
        for row in table.values():
            del row["kinds"]
    for name in samplers:
        start = time.monotonic()
        images = draw(
            checkpoint, contexts.repeat(best_of, 1), name, seed, mixed_precision, weight, guide_checkpoint
        )
        how = {"samples": samples, "seed": seed, "bfloat16": mixed_precision, "weight": weight}
        name = name if weight == 1 else f"{name}-weight-{weight:g}"
        if guide is not None:
            path = Path(guide)  # a run's file is always called model
            short = path.resolve().parent.name if path.stem == "model" else path.stem
            name, how = f"{name}-guide-{short}", how | {"guide": short}
        if colours is not None:
            images, name = few_colours(images, colours), f"{name}-colours-{colours}"
            how |= {"colours": colours}
        if best_of > 1:
            error = by.errors(images, labels.repeat(best_of, 1), 54321, repeats=4)
            least = error.view(best_of, samples).argmin(dim=0)
            images = images[least * samples + torch.arange(samples)]
            name, how = f"{name}-best-of-{best_of}", how | {"best_of": best_of}
        seconds = round(time.monotonic() - start, 1)
        drawn = ImageData(images, labels, by.training.class_names, contexts.argmax(dim=1))
        table[name] = by.measure(drawn, by.training, by_kind) | {"seconds": seconds} | how
        if sheets is not None:
            by_class = labels[:100].argmax(dim=1).argsort(stable=True)
            save_png(sheets / f"{name}.png", sheet(images[:100][by_class], columns=20))
            has = by.others.kinds if by_kind else by.others.labels.argmax(dim=1)
            places = alike(has, contexts[:50].argmax(dim=1))
            save_png(sheets / f"{name}-mixed.png", mixed_sheet(by.others.images[places], images[:50]))
    return table


def mixed_sheet(real: Tensor, generated: Tensor) -> np.ndarray:
    """Real and generated images in one random order: can the eye tell which are which?"""
    order = torch.randperm(len(real) + len(generated), generator=torch.Generator().manual_seed(2))
    return sheet(torch.cat((real, generated))[order], columns=20)


def show(table: dict) -> None:
    """Prints what `measure` gives, a line for each sampler, with the ratio to the floor."""
    floor = table["other training images"]["frechet"]
    width = max(map(len, table)) + 1
    print(
        f"{'':{width}}{'accuracy':>9}{'Fréchet':>9}{'/ floor':>9}{'exact':>8}{'near':>8}"
        f"{'denoising':>11}{'seconds':>9}"
    )
    for name, row in table.items():
        exact, near = row["copies"]["exact"], row["copies"]["near"]
        print(
            f"{name:{width}}{row['accuracy']:>9.1%}{row['frechet']:>9.3f}{row['frechet'] / floor:>9.1f}"
            f"{exact:>8.1%}{near:>8.1%}{row['denoising']:>11.2f}{row['seconds']:>9.0f}"
            + (f"{row['kinds']:>9.1%} show their kind" if "kinds" in row else "")
        )


def make_classifier(num_epochs: int) -> None:
    """Trains the judge on the training split and saves it with its accuracy on the held-out one."""
    training, held_out = load_images("sprites"), load_images("sprites", "held_out")
    torch.manual_seed(0)
    classes = training.labels.argmax(dim=1)
    class_of_kind = [int(classes[training.kinds == kind][0]) for kind in range(len(training.kind_names))]
    config = {"class_of_kind": class_of_kind, "in_channels": training.images.shape[1]}
    judge = SpriteClassifier(**config)
    epochs = fit_classifier(judge, training.images, training.kinds, num_epochs)
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
    p.add_argument("--weight", type=float, default=1.0, help="of guidance (default 1: none)")
    p.add_argument("--guide", help="a model, asked without context, to guide this one")
    p.add_argument("--colours", type=int, help="at most so many in an image, see few_colours (default: all)")
    p.add_argument(
        "--best-of", type=int, default=1, help="draw so many for each, keep the easiest to denoise"
    )
    p.add_argument("--bfloat16", action="store_true", help="sample in bfloat16: faster where it is known")
    p.add_argument(
        "--sheets", type=Path, help="a folder for a sheet of each sampler, and one mixed with real"
    )
    p.add_argument("--write", action="store_true", help="keep the numbers in the .safetensors file")
    p.add_argument("--fit-classifier", type=int, metavar="EPOCHS", help="make the judge anew instead")
    options = p.parse_args(arguments)
    try:
        if options.fit_classifier:
            make_classifier(options.fit_classifier)
            return 0
        path = checkpoint_path(options.model)
        if options.write and path.suffix not in ("", ".safetensors"):  # before the minutes of sampling
            raise ValueError(f"--write needs a .safetensors file, got {path.name}")
        checkpoint = load_checkpoint(path)
        names = options.samplers.split(",")
        table = measure(
            checkpoint, options.samples, names, options.seed, options.sheets, options.bfloat16,
            options.weight, options.colours, options.guide, options.best_of,
        )  # fmt: skip
        if options.write:
            facts = {k: v for k, v in checkpoint.facts.items() if k != "config"}
            facts["quality"] = facts.get("quality", {}) | table  # samplers measured before are kept
            save_checkpoint(path, checkpoint.model, checkpoint.schedule, **facts)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show(table)
    print(json.dumps(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
