"""The mean of several stages of one training: python -m diffusion_lib.average ONE TWO --out MEAN.safetensors

It may draw nearer to real images than each stage does: the card of `better` in data/checkpoints has numbers.
"""

import argparse
import sys
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel

from .checkpoints import Checkpoint, load_checkpoint, save_checkpoint


def mean_of(checkpoints: list[Checkpoint]) -> Checkpoint:
    """One model whose weights, and BatchNorm statistics, are the means of those of several.

    After stochastic weight averaging (Izmailov et al. 2018, arXiv 1803.05407, algorithm 1), which is for
    models that went on from one another: each stage ends at an edge of the region of good weights, and
    their mean lies further inside. It costs nothing when sampling. Unlike there, the statistics of
    BatchNorm are not measured anew, but averaged as well.

    The settings are those of the last. Steps and seconds are added up; what belonged to one model alone,
    its loss and its measured quality, is left out.

    Raises ValueError for fewer than two, or if their sizes, classes or schedules differ.
    """
    if len(checkpoints) < 2:
        raise ValueError(f"there must be at least 2 models to take the mean of, got {len(checkpoints)}")
    first, last, known = checkpoints[0], checkpoints[-1], None
    for number, other in enumerate(checkpoints, start=1):
        if other.model.config != first.model.config:
            raise ValueError(f"model {number} must be a {first.model.config}, got {other.model.config}")
        if not torch.equal(other.schedule.beta, first.schedule.beta):
            raise ValueError(f"model {number} must have the noise schedule of the first, and has another")
        names = other.class_names  # older files have none
        known = known or names
        if names and names != known:
            raise ValueError(f"model {number} must draw {', '.join(known)}, got {', '.join(names)}")
    mean = AveragedModel(first.model, use_buffers=True)
    for checkpoint in checkpoints:
        mean.update_parameters(checkpoint.model)
    facts = {name: last.facts[name] for name in ("settings", "device") if name in last.facts}
    for name in ("images_seen", "seconds", "step"):
        facts[name] = sum(checkpoint.facts.get(name, 0) for checkpoint in checkpoints)
    return Checkpoint(mean.module.eval(), last.schedule, facts)


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m diffusion_lib.average", description="The mean of models.")
    p.add_argument("models", nargs="+", help="stages of one training: paths, or names of shipped models")
    p.add_argument("--out", type=Path, required=True, help="the .safetensors file to write")
    options = p.parse_args(arguments)
    try:
        if options.out.suffix != ".safetensors":
            raise ValueError(f"--out must end in .safetensors, got {options.out.name}")
        if options.out.exists():
            raise ValueError(f"{options.out} is there already: choose another --out")
        checkpoints = [load_checkpoint(name) for name in options.models]
        mean = mean_of(checkpoints)
        save_checkpoint(options.out, mean.model, mean.schedule, **mean.facts, mean_of=options.models)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"done: {options.out}, the mean of {len(checkpoints)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
