"""Sampling should cost the network and little else, and DDIM-20 a twenty-fifth of DDPM-500."""

import copy
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

import torch
from torch import Tensor

from diffusion_lib.checkpoints import load_checkpoint
from diffusion_lib.data import load_images
from diffusion_lib.folding import folded
from diffusion_lib.guidance import clipped, guided
from diffusion_lib.samplers import last, sample_ddim, sample_ddpm
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.unet import ContextUnet

from .timing import nothing_compiled, ratios, spread


def overhead(processes: int = 7) -> list[str]:
    """A step of a sampler against a bare forward in inference mode, at three batch sizes.

    Step and forward in turn, because a laptop's clock drifts by more than what is looked for. And in several
    processes, one after the other: all ratios of one process may lie some percent beside those of the next.
    """
    lines = [
        "| batch | DDPM ÷ bare forwards | DDIM ÷ bare forwards | guidance ÷ plain "
        "| DDPM by `draw` ÷ bare forwards |",
        "|---|---|---|---|---|",
    ]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, fresh, max_tasks_per_child=1) as pool:
        for batch, steps in ((1, 400), (16, 150), (64, 50)):
            rows = pool.map(overhead_at, *([value] * processes for value in (batch, steps)))
            lines.append(f"| {batch} | " + " | ".join(map(spread, zip(*rows))) + " |")
    return [
        *lines,
        "",
        "A process times 400, 150 or 50 steps, each beside a bare forward (guidance: a step without it), and "
        f"gives the median of the ratios. The table has median and range of {processes} processes. Nobody "
        "asks for the clean image on the way. The sprites are loaded, as in a lesson. The last column is "
        "what `draw` and the commands do: the same images, clipped, by a network with BatchNorm folded, "
        "beside bare forwards of the network as it was trained.",
    ]


def overhead_at(batch: int, steps: int) -> tuple[float, ...]:
    """The ratios of a row, each the median over all steps of a run."""
    model = load_checkpoint("small").model
    schedule = NoiseSchedule.linear(steps + 1, 1e-3, 0.05)  # one call is not timed
    # The sprites are loaded as in every lesson. Without that, the C library of Linux (glibc) gives the memory
    # of each layer back to the system and asks for it again: it learns to keep it when large tensors go.
    context = load_images("sprites").labels[torch.arange(batch) * 300]
    x_T, t = torch.randn(batch, 3, 16, 16), torch.full((1,), 0.5)

    def bare():
        with torch.inference_mode():
            model(x_T, t, context)

    def ddpm(weight=1.0):
        return steps_of(guided(model, schedule, context, weight))

    def as_drawn():
        return steps_of(clipped(guided(folded(model), schedule, context), schedule))

    def steps_of(predict_noise):
        return sample_ddpm(predict_noise, schedule, x_T, generator=torch.Generator()).__next__

    def ddim():
        return sample_ddim(guided(model, schedule, context), schedule, x_T, num_steps=steps + 1).__next__

    pairs = {
        "DDPM": (ddpm(), bare),
        "DDIM": (ddim(), bare),
        "guidance": (ddpm(2.0), ddpm()),
        "draw": (as_drawn(), bare),
    }
    return tuple(
        statistics.median(ratios(ours, other, steps, f"{name}, batch {batch}"))
        for name, (ours, other) in pairs.items()
    )


def ddim_against_ddpm(count: int = 16, repeats: int = 3) -> list[str]:
    """DDPM with all steps against DDIM with 20, clipped, from the same noise."""
    checkpoint = load_checkpoint("small")
    model, schedule = checkpoint.model, checkpoint.schedule
    context = torch.eye(5)[torch.arange(count) % 5]
    predict_noise = clipped(guided(model, schedule, context), schedule)
    x_T = torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    values = ratios(
        lambda: last(sample_ddpm(predict_noise, schedule, x_T)),
        lambda: last(sample_ddim(predict_noise, schedule, x_T, num_steps=20)),
        repeats,
        "DDPM-500 against DDIM-20",
    )
    quality = checkpoint.facts["quality"]
    lines = [f"DDPM with {schedule.num_steps} steps takes {spread(values)} times as long as DDIM with 20."]
    for name, title in (("ddpm", "DDPM"), ("ddim-20", "DDIM")):
        row = quality[name]
        lines.append(f"{title}: class accuracy {row['accuracy']:.1%}, Fréchet distance {row['frechet']:.2f}.")
    return lines


def compiled(model: ContextUnet, *batch: Tensor) -> tuple[ContextUnet, float]:
    """A compiled copy, and the seconds until it has answered once."""
    model = copy.deepcopy(model)
    with nothing_compiled(), torch.inference_mode():
        start = time.perf_counter()
        model.compile()
        model(*batch)
        return model, time.perf_counter() - start


def forwards(repeats: int = 41) -> list[str]:
    """A bare forward of a batch of 64 in other ways, against the one that is used."""
    used = load_checkpoint("small").model
    x, t = torch.randn(64, 3, 16, 16), torch.full((1,), 0.5)
    ways = {
        "channels of a pixel apart in memory": copy.deepcopy(used).to(memory_format=torch.contiguous_format),
        "BatchNorm folded into the convolutions": folded(used),
        "t given for each of the 64 images": lambda x, t: used(x, t.expand(64)),
    }
    try:
        model, seconds = compiled(used, x, t)
        ways[f"compiled, which takes {seconds:.0f} s"] = model
        failed = []
    except Exception as error:  # no C++ compiler, or a processor that torch cannot compile for
        failed = ["", f"It was not compiled here: {type(error).__name__}."]
    lines = ["| forward of a batch of 64 | times as long as ours | differs by at most |", "|---|---|---|"]
    with torch.inference_mode():
        for name, way in ways.items():
            difference = (way(x, t) - used(x, t)).abs().max().item()
            values = ratios(lambda way=way: way(x, t), lambda: used(x, t), repeats, name)
            lines.append(f"| {name} | {spread(values)} | {difference:.0e} |")
    return lines + failed
