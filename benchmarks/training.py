"""Training should cost the network and little else: `train` beside a plain loop, and what is faster."""

import os
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from tqdm import tqdm

from diffusion_lib.data import ImageData, load_images
from diffusion_lib.schedule import NoiseSchedule, add_noise
from diffusion_lib.training import train
from diffusion_lib.unet import ContextUnet

from .timing import in_turn, nothing_compiled, spread

BATCH, FEATURES, CHUNK = 64, 32, 4  # CHUNK steps are timed at once, so that drift hits all sides
SCHEDULE = NoiseSchedule.linear(500, 2e-4, 0.04)


def network() -> ContextUnet:
    """The same first weights at each call."""
    torch.manual_seed(0)
    return ContextUnet(3, FEATURES, 5, 16)


def plain_loop(data: ImageData, fused: bool) -> Iterator[None]:
    """What one would write: no average of the weights, no loss by t, no check, no progress."""
    model = network().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    while True:
        chosen = torch.randint(len(data), (BATCH,))
        x_0, context = data.images[chosen], data.labels[chosen]
        t = torch.randint(1, SCHEDULE.num_steps + 1, (BATCH,))
        noise = torch.randn_like(x_0)
        x_t = add_noise(SCHEDULE, x_0, t, noise)
        context = context * (torch.rand(BATCH, 1) >= 0.1)
        loss = nn.functional.mse_loss(model(x_t, t / SCHEDULE.num_steps, context), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def our_loop(data: ImageData, model: nn.Module, mixed_precision: bool = False) -> Iterator[None]:
    """`train` with a progress bar and a running mean of the loss, as in a terminal."""
    average = 0.0
    steps = train(
        model, SCHEDULE, data, num_epochs=1000, batch_size=BATCH, learning_rate=1e-3,
        mixed_precision=mixed_precision,
    )  # fmt: skip
    with (
        open(os.devnull, "w") as nowhere,
        tqdm(unit="img", unit_scale=True, position=0, file=nowhere) as progress,
    ):
        for step in steps:
            average = 0.98 * average + 0.02 * step.loss
            progress.set_postfix(loss=f"{average:.4f}", epoch=step.epoch, refresh=False)
            progress.update(BATCH)
            yield


def chunk(loop: Iterator[None]) -> Callable[[], None]:
    """A call makes the next few steps."""

    def run() -> None:
        for _ in range(CHUNK):
            next(loop)

    return run


class NoNetwork(nn.Module):
    """One weight in the network's place: what is left of a step is all that is not the network."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return x * self.weight


def compiled_loop(data: ImageData) -> tuple[Iterator[None], float]:
    """The loop of a compiled network after its first step, and the seconds that this step took."""
    with nothing_compiled():
        start = time.perf_counter()
        model = network()
        model.compile()
        loop = our_loop(data, model)
        next(loop)
        return loop, time.perf_counter() - start


def throughput(repeats: int = 41) -> list[str]:
    """Images a second of `train`, a plain loop, bfloat16 and a compiled network; the share of the data."""
    data = load_images("sprites")
    ours, fused, usual = "`train`", "a plain loop, the same fused Adam", "a plain loop, Adam as it comes"
    bfloat16, compiled, nothing = "`train`, bfloat16", "`train`, compiled", "no network"
    loops = {
        ours: our_loop(data, network()),
        fused: plain_loop(data, fused=True),
        usual: plain_loop(data, fused=False),
        bfloat16: our_loop(data, network(), mixed_precision=True),
        nothing: our_loop(data, NoNetwork()),
    }
    try:
        loops[compiled], start = compiled_loop(data)
    except Exception as error:  # no C++ compiler, or a processor that torch cannot compile for
        start, why = None, type(error).__name__
    seconds = in_turn({name: chunk(loop) for name, loop in loops.items()}, repeats, "training")
    per_step = {name: statistics.median(values) / CHUNK for name, values in seconds.items()}

    lines = [
        f"{FEATURES} features, 16 × 16, batches of {BATCH}, {CHUNK} steps of each in turn, {repeats} times.",
        "",
        "| loop | images/s | against | images/s | times as fast |",
        "|---|---|---|---|---|",
    ]
    for left, right in ((ours, fused), (ours, usual), (bfloat16, ours), (compiled, ours)):
        if left in seconds:
            faster = spread([slow / fast for slow, fast in zip(seconds[right], seconds[left])])
            both = (BATCH / per_step[left], BATCH / per_step[right])
            lines.append(f"| {left} | {both[0]:.0f} | {right} | {both[1]:.0f} | {faster} |")
    rest = [100 * beside / whole for beside, whole in zip(seconds[nothing], seconds[ours])]
    share = data_share(data, seconds[ours])
    lines += [
        "",
        f"The data of a step (choosing, t, noise, mask, noising) takes {spread(share)} percent of it. "
        f"All of a step of `train` with one weight in the network's place: {spread(rest)} percent.",
        "",
    ]
    if start is None:
        return lines + [f"The network cannot be compiled on this machine ({why})."]
    saved = per_step[ours] - per_step[compiled]
    pays = f"it pays after {start / saved:,.0f} steps" if saved > 0 else "it does not pay"
    return lines + [f"The first compiled step takes {start:.0f} s, the compiler's work included: {pays}."]


def data_share(data: ImageData, steps: list[float]) -> list[float]:
    """Percent of a step for a batch's images, t, noise and mask, drawn and noised as `train` does."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(data), generator=generator)

    def batches() -> None:
        for i in range(CHUNK):
            chosen = order[i * BATCH : (i + 1) * BATCH]
            t = torch.randint(1, SCHEDULE.num_steps + 1, (BATCH,), generator=generator)
            noise = torch.randn(BATCH, *data.images.shape[1:], generator=generator)
            keep = torch.rand(BATCH, 1, generator=generator) >= 0.1
            add_noise(SCHEDULE, data.images[chosen], t, noise), data.labels[chosen] * keep

    seconds = in_turn({"data": batches}, len(steps), "data")["data"]
    return [100 * own / step for own, step in zip(seconds, steps)]
