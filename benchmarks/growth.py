"""What a network costs as images, width, batch and sampling steps grow: so that one can foresee one's own."""

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from diffusion_lib.guidance import guided
from diffusion_lib.plots import save_figure
from diffusion_lib.samplers import last, sample_ddim
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.training import noise_prediction_loss
from diffusion_lib.unet import ContextUnet

FIGURE = Path(__file__).parent / "growth.png"
SIZES, WIDTHS, BATCHES = (16, 28, 32, 64), (16, 32, 64, 128), (1, 2, 4, 8, 16, 32, 64, 128)
SIZE, WIDTH, BATCH = 16, 32, 16  # what stays while one of them grows
TRAIN_BATCH = 32  # a batch of 64 of the largest would take 3 GB
STEPS = (1, 2, 5, 10, 20, 50, 100)
IMAGES = 1_000_000  # of a long training: 40 epochs of 25,000
SHEET = 50  # images on a sheet
SCHEDULE = NoiseSchedule.linear(500, 2e-4, 0.04)
# Okabe and Ito's colours, which people with any colour vision can tell apart; the markers say it again.
LOOKS = {"image size": ("#0072B2", "o"), "width": ("#D55E00", "s"), "batch": ("#009E73", "^"),
         "steps": ("#000000", "D")}  # fmt: skip


class Case:
    """A network and a batch for it, on a device, with what is timed."""

    def __init__(self, size: int = SIZE, width: int = WIDTH, batch: int = BATCH, device: str = "cpu"):
        torch.manual_seed(0)
        self.model = ContextUnet(3, width, 5, size).to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)
        self.x = torch.randn(batch, 3, size, size, device=device)
        self.t = torch.randint(1, 501, (batch,), device=device)
        self.batch, self.device = batch, device

    def forward(self) -> None:
        """As in sampling: one t for all."""
        self.model.eval()
        with torch.inference_mode():
            self.model(self.x, torch.full((1,), 0.5, device=self.device))

    def backward(self) -> None:
        """A training step without the optimiser, whose work the counter does not know."""
        self.model.train()
        self.optimizer.zero_grad()
        noise = torch.randn_like(self.x)
        noise_prediction_loss(self.model, SCHEDULE, self.x, self.t, noise).mean().backward()

    def step(self) -> None:
        """A training step, noising and Adam included."""
        self.backward()
        self.optimizer.step()

    def sample(self, num_steps: int) -> None:
        """DDIM, from noise to images."""
        self.model.eval()
        last(sample_ddim(guided(self.model, SCHEDULE), SCHEDULE, self.x, num_steps=num_steps))


def gflop(run: Callable[[], None]) -> float:
    """Multiplications and additions in it, in thousands of millions, as torch counts them (two a pair)."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e9


def seconds(run: Callable[[], None], device: str = "cpu", least: float = 0.15) -> float:
    """The fastest of two to twenty calls, as many as fit into `least`: what else runs only ever adds."""
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    times: list[float] = []
    while len(times) < 2 or (sum(times) < least and len(times) < 20):
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def curves() -> dict[str, dict[str, list[tuple[int, float, float]]]]:
    """For each panel and each thing that grows: (its value, GFLOP, seconds)."""
    panels = {"One forward": {}, "One training step": {}, "Sampling with DDIM": {}}
    grow = {"image size": ("size", SIZES), "width": ("width", WIDTHS), "batch": ("batch", BATCHES)}
    todo = [(name, key, value) for name, (key, values) in grow.items() for value in values]
    for name, key, value in tqdm(todo, desc="growth", dynamic_ncols=True, leave=False):
        case = Case(**{key: value})
        for panel, run, counted in (
            ("One forward", case.forward, case.forward),
            ("One training step", case.step, case.backward),
        ):
            panels[panel].setdefault(name, []).append((value, gflop(counted), seconds(run)))
    case = Case()
    work = gflop(case.forward)
    panels["Sampling with DDIM"]["steps"] = [
        (n, n * work, seconds(lambda n=n: case.sample(n))) for n in STEPS
    ]
    return panels


def draw(panels: dict) -> None:
    """The figure: time against work, and a line for the best rate in it, on which a point wastes nothing."""
    best = max(work / took for lines in panels.values() for line in lines.values() for _, work, took in line)
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True)
    for axis, (title, lines) in zip(axes, panels.items()):
        works = [work for line in lines.values() for _, work, _ in line]
        ends = (min(works), max(works))
        axis.plot(
            ends, [work / best for work in ends], ":", color="#777777", label=f"best: {best:.0f} GFLOP/s"
        )
        for name, line in lines.items():
            colour, marker = LOOKS[name]
            values, works, times = zip(*line)
            label = f"{name} {', '.join(map(str, values))}"
            axis.plot(works, times, marker=marker, lw=1, ms=6, color=colour, mfc="white", label=label)
        axis.set(xscale="log", yscale="log", title=title, xlabel="work (GFLOP)")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, loc="upper left", fontsize=9)
    figure.suptitle(
        f"One thing grows, from left to right; else {SIZE} × {SIZE}, width {WIDTH}, batch {BATCH}"
    )
    axes[0].set_ylabel("time (seconds)")
    save_figure(FIGURE, figure, dpi=110)


def table() -> tuple[list[dict[str, float]], list[str]]:
    """What a network of each size and two widths costs, measured, and the same as lines."""
    rows, gpu = [], torch.cuda.is_available()
    sizes = [(size, width) for width in (32, 64) for size in SIZES]
    for size, width in tqdm(sizes, desc="sizes and widths", dynamic_ncols=True, leave=False):
        case = Case(size, width, TRAIN_BATCH)
        row = {"size": size, "width": width, "forward": gflop(case.forward) / TRAIN_BATCH}
        row["training"] = gflop(case.backward) / TRAIN_BATCH
        row["images/s"] = TRAIN_BATCH / seconds(case.step)
        sheet = Case(size, width, SHEET)
        row["sheet"] = 20 * seconds(lambda sheet=sheet: sheet.sample(1))
        if gpu:
            case = Case(size, width, TRAIN_BATCH, "cuda")
            row["GPU"] = TRAIN_BATCH / seconds(case.step, "cuda")
        rows.append(row)
    more = " images/s on the GPU |" if gpu else ""
    lines = [
        "| image | features | GFLOP an image, forward | images/s in training | hours for a million "
        f"| seconds for a sheet |{more}",
        "|---|---|---|---|---|---|" + ("---|" if gpu else ""),
    ]
    for row in rows:
        hours = IMAGES / row["images/s"] / 3600
        line = f"| {row['size']} × {row['size']} | {row['width']} | {row['forward']:.2f} "
        line += f"| {row['images/s']:.0f} | {hours:.1f} | {row['sheet']:.1f} |"
        lines.append(line + (f" {row['GPU']:.0f} |" if gpu else ""))
    return rows, lines


def when_a_gpu_pays(rows: list[dict[str, float]]) -> str:
    """From the rows: measured where there is a GPU, else only what the CPU alone can tell."""
    rates = [row["training"] * row["images/s"] for row in rows]
    rate = statistics.median(rates)
    # The rate over the work of an image is images a second; the work grows with the square of the size.
    limit = rate * 3600 / IMAGES
    sizes = []
    for width in (32, 64):
        of_width = [row["training"] / row["size"] ** 2 for row in rows if row["width"] == width]
        sizes.append(f"{math.sqrt(limit / statistics.median(of_width)):.0f} pixels with {width} features")
    text = (
        f"In training this processor does {rate:.0f} GFLOP/s (median; {min(rates):.0f} to {max(rates):.0f}). "
        f"At that rate a training on {IMAGES:,} images takes an hour at a side of {' and of '.join(sizes)}, "
        "and four times as long with twice the side or twice the width."
    )
    if "GPU" not in rows[0]:
        return text + (
            " Beyond that, look for a GPU; below, it can save less than the hour. There was none here: how "
            "long one takes is not measured."
        )
    faster = ", ".join(f"{row['GPU'] / row['images/s']:.0f} ({row['size']}, {row['width']})" for row in rows)
    return f"{text} {torch.cuda.get_device_name()} is so many times as fast (side, features): {faster}."


def growth() -> list[str]:
    """The figure, the table and the size from which a GPU pays."""
    draw(curves())
    rows, lines = table()
    return [
        "![Time against work](growth.png)",
        "",
        f"One thing grows, the others stay: {SIZE} × {SIZE}, {WIDTH} features, batches of {BATCH}. Work as "
        "torch counts it: a multiplication and an addition are two. It grows with the square of the side, "
        "the square of the width, the batch and the steps. Far above the dotted line the processor waits, "
        "for Python or for memory.",
        "",
        *lines,
        "",
        f"Training in batches of {TRAIN_BATCH}, float32. A sheet is {SHEET} images by DDIM with 20 steps, of "
        "which one is timed.",
        "",
        when_a_gpu_pays(rows),
    ]
