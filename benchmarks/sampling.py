"""Sampling should cost the network and little else, and DDIM-20 a twenty-fifth of DDPM-500."""

import torch

from diffusion_lib.checkpoints import load_checkpoint
from diffusion_lib.guidance import clipped, guided
from diffusion_lib.samplers import last, sample_ddim, sample_ddpm
from diffusion_lib.schedule import NoiseSchedule

from .timing import ratios, spread


def overhead(repeats: int = 7) -> list[str]:
    """A sampler against as many bare forwards in inference mode, at three batch sizes."""
    lines = [
        "| batch | DDPM ÷ bare forwards | DDIM ÷ bare forwards | guidance ÷ plain |",
        "|---|---|---|---|",
    ]
    return lines + [overhead_at(*sizes, repeats) for sizes in ((1, 200), (16, 60), (64, 20))]


def overhead_at(batch: int, steps: int, repeats: int) -> str:
    """A row of the table. A step costs the same in a schedule of any length, so `steps` is all of them."""
    model = load_checkpoint("small").model
    schedule = NoiseSchedule.linear(steps, 1e-3, 0.2)
    context = torch.eye(5)[torch.arange(batch) % 5]
    x_T = torch.randn(batch, 3, 16, 16)

    def bare():
        with torch.inference_mode():
            for t in range(steps, 0, -1):
                model(x_T, torch.full((1,), t / steps), context)

    def ddpm(weight=1.0):
        predict_noise = guided(model, schedule, context, weight)
        last(sample_ddpm(predict_noise, schedule, x_T, generator=torch.Generator()))

    def ddim():
        last(sample_ddim(guided(model, schedule, context), schedule, x_T, num_steps=steps))

    row = [
        ratios(ddpm, bare, repeats, f"DDPM, batch {batch}"),
        ratios(ddim, bare, repeats, f"DDIM, batch {batch}"),
        ratios(lambda: ddpm(2.0), ddpm, repeats, f"guidance, batch {batch}"),
    ]
    return f"| {batch} | " + " | ".join(map(spread, row)) + " |"


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
    return [f"DDPM with {schedule.num_steps} steps takes {spread(values)} times as long as DDIM with 20."]


def layouts(repeats: int = 9) -> list[str]:
    """The bare forward at batch 64, channels next to each other in memory (as models are loaded) or not."""
    fast = load_checkpoint("small").model
    plain = load_checkpoint("small").model.to(memory_format=torch.contiguous_format)
    x, t = torch.randn(64, 3, 16, 16), torch.full((1,), 0.5)
    with torch.inference_mode():
        difference = (fast(x, t) - plain(x, t)).abs().max().item()
        values = ratios(lambda: plain(x, t), lambda: fast(x, t), repeats, "memory layout")
    text = f"Without channels-last a forward takes {spread(values)} times as long"
    return [f"{text}; the results differ by {difference:.0e} at most."]
