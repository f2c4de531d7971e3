"""Pictures: sheets of small images, and curves."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .data import to_display
from .files import written_whole
from .schedule import NoiseSchedule, snr


def sheet(images: Tensor, columns: int = 10, scale: int = 4, gap: int = 1) -> np.ndarray:
    """Images in rows on white, each pixel `scale` pixels wide with hard edges: (H, W, 3) uint8.

    images (N, channels, height, width) in [-1, 1], all shown on the same fixed scale.
    Raises ValueError if there are none.
    """
    if images.ndim != 4 or len(images) == 0:
        shape = tuple(images.shape)
        raise ValueError(f"images must be (N, channels, height, width) with N >= 1, got {shape}")
    pixels = np.pad(to_display(images), ((0, 0), (gap, gap), (gap, gap), (0, 0)), constant_values=255)
    missing = -len(pixels) % columns
    pixels = np.pad(pixels, ((0, missing), (0, 0), (0, 0), (0, 0)), constant_values=255)
    height, width = pixels.shape[1:3]
    rows = pixels.reshape(-1, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    whole = rows.reshape(-1, columns * width, 3)
    return whole.repeat(scale, axis=0).repeat(scale, axis=1)


def save_png(path: str | Path, pixels: np.ndarray) -> None:
    """Writes a picture (H, W, 3) uint8, whole or not at all."""
    with written_whole(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", optimize=True)


def save_figure(path: str | Path, figure: plt.Figure, dpi: float = 100) -> None:
    """Writes a figure as a PNG, whole or not at all."""
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)


def draw_without_windows() -> None:
    """Chooses matplotlib's Agg, for commands: a backend with windows can fail where there is no screen."""
    plt.switch_backend("agg")


class Sheet:
    """A picture for the last line of a notebook's cell: a PNG (Pillow's own is stored as a JPEG, too)."""

    def __init__(self, pixels: np.ndarray):
        self.pixels = pixels

    def __repr__(self) -> str:
        return "<Sheet {1}x{0}>".format(*self.pixels.shape)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, format="PNG", optimize=True)
        return buffer.getvalue()


def show_sheet(images: Tensor, columns: int = 10, scale: int = 4) -> Sheet:
    """The sheet as a picture that a notebook shows when it is the last line of a cell."""
    return Sheet(sheet(images, columns, scale))


def show_rows(rows: dict[str, Tensor], columns=(), scale: int = 4) -> Sheet:
    """Rows of images, each with its name at the left, and a word over each column if there are any.

    rows maps a name to images (N, channels, height, width) in [-1, 1]; rows may differ in length and size.
    """
    font = ImageFont.load_default(size=13)
    left = 12 + max(round(font.getlength(name)) for name in rows)
    top = 20 if len(columns) else 0
    strips = {name: sheet(images, columns=len(images), scale=scale) for name, images in rows.items()}
    width = left + max(strip.shape[1] for strip in strips.values())
    height = top + sum(strip.shape[0] for strip in strips.values())
    picture = Image.new("RGB", (width, height), "white")
    pen, y = ImageDraw.Draw(picture), top
    for name, strip in strips.items():
        pen.text((4, y + strip.shape[0] / 2), name, fill="black", font=font, anchor="lm")
        picture.paste(Image.fromarray(strip), (left, y))
        y += strip.shape[0]
    first = next(iter(rows.values()))
    step = next(iter(strips.values())).shape[1] / len(first)
    for i, word in enumerate(columns):
        pen.text((left + (i + 0.5) * step, 9), str(word), fill="black", font=font, anchor="mm")
    return Sheet(np.asarray(picture))


def plot_points(clouds: dict[str, Tensor], data: Tensor | None = None, arrows=None, paths=None) -> plt.Figure:
    """Clouds of points in the plane side by side, a panel for each name, all on one scale.

    clouds  name -> (N, 2)
    data    points drawn faintly under each panel
    arrows  name -> (N, 2), drawn from the panel's points
    paths   name -> (num_steps, N, 2): a line for each point; of up to eight, in colours, ringed at the start
    """
    size = 2.5 * len(clouds), 2.7
    figure, axes = plt.subplots(1, len(clouds), figsize=size, squeeze=False, layout="constrained")
    reach = max(1.2, max(float(cloud.abs().max()) for cloud in clouds.values()) * 1.05)
    for panel, (name, cloud) in zip(axes[0], clouds.items()):
        if data is not None:
            panel.scatter(*data.T, s=3, color="0.75")
        lines = paths[name].transpose(0, 1) if paths else []
        for number, line in enumerate(lines):
            few = {"color": f"C{number}", "marker": "o", "markevery": [0], "fillstyle": "none"}
            panel.plot(*line.T, linewidth=0.7, alpha=0.7, **few if len(lines) <= 8 else {"color": "tab:blue"})
        if arrows:
            panel.quiver(
                *cloud.T, *arrows[name].T, angles="xy", scale_units="xy", scale=1, color="tab:orange"
            )
        panel.scatter(*cloud.T, s=4, color="tab:blue")
        limits, ticks = (-reach, reach), range(-int(reach), int(reach) + 1)
        panel.set(title=name, xlim=limits, ylim=limits, aspect="equal", xticks=ticks, yticks=ticks)
        panel.tick_params(labelsize=7, length=2, colors="0.5")
    plt.close(figure)
    return figure


def plot_curves(x, panels: dict[str, dict], xlabel: str, log: str = "") -> plt.Figure:
    """Measured curves over x, a panel for each name.

    panels maps a panel's title to its curves, name -> one value for each x; a single number is a level to
    compare with, drawn as a dashed line. log names the axes that are logarithmic: "x", "y" or "xy".
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(9, 2.7), squeeze=False, layout="constrained")
    for panel, (title, curves) in zip(axes[0], panels.items()):
        for name, values in curves.items():
            if np.ndim(values) == 0:
                panel.axhline(values, color="0.5", linestyle="--", label=name)
            else:
                panel.plot(x, values, "o-", label=name)
        panel.set(xlabel=xlabel, title=title, **{f"{axis}scale": "log" for axis in log})
        if "x" in log:  # where something was measured, and not at powers of ten alone
            panel.set_xticks(x, x, fontsize="x-small")
            panel.set_xticks([], minor=True)
        panel.legend(fontsize="small")
    plt.close(figure)
    return figure


def plot_matrix(rows: dict[str, Tensor], xlabel: str = "", reach: float | None = None) -> plt.Figure:
    """Rows of numbers as colours, white for 0, red above and blue below, on one scale; each row (N,).

    The scale goes to the largest size among them, or to reach: what lies beyond has the colour of its end.
    """
    values = torch.stack(list(rows.values())).float().cpu().numpy()
    reach = reach or float(abs(values).max())
    figure, panel = plt.subplots(figsize=(9, 0.6 + 0.27 * len(rows)), layout="constrained")
    picture = panel.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    panel.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel=xlabel)
    figure.colorbar(picture)
    plt.close(figure)
    return figure


def plot_schedules(**schedules: NoiseSchedule) -> plt.Figure:
    """What is left of the image, what noise has come, and their ratio, along t, for named schedules."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for name, schedule in schedules.items():
        t = torch.arange(1, schedule.num_steps + 1)
        alpha_bar = schedule.alpha_bar[t].cpu()
        line = left.plot(t, alpha_bar.sqrt(), label=f"{name}: image")[0]
        left.plot(t, (1 - alpha_bar).sqrt(), "--", color=line.get_color(), label=f"{name}: noise")
        right.semilogy(t, snr(schedule, t).cpu(), color=line.get_color(), label=name)
    left.set(xlabel="t", ylabel="factor", title="image and noise in $x_t$")
    right.set(xlabel="t", ylabel="SNR", title="signal to noise ratio")
    # Below the panels: with three schedules it would cover the curves.
    figure.legend(handles=left.lines, loc="outside lower center", ncols=len(schedules), fontsize="small")
    plt.close(figure)  # a notebook would show it a second time, and keep it
    return figure


def plot_losses(losses, loss_by_t: Tensor, num_steps: int, each: str = "step") -> plt.Figure:
    """The loss along training, and by t: where the work is.

    losses    one number for each training step, in order, or for what else `each` names
    loss_by_t as TrainingRun.loss_by_t gives it; num_steps = T
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    losses = np.asarray(losses, dtype=float)
    window = max(1, len(losses) // 50)
    left.semilogy(np.arange(1, len(losses) + 1), losses, alpha=0.3 if window > 1 else 1, label="loss")
    if window > 1:
        smooth = np.convolve(losses, np.full(window, 1 / window), mode="valid")
        left.semilogy(np.arange(window, len(losses) + 1), smooth, label=f"mean of {window}")
        left.legend()
    left.set(xlabel=f"{each} of the training", ylabel="loss", title="loss along training")
    centres = (np.arange(len(loss_by_t)) + 0.5) * num_steps / len(loss_by_t)
    right.semilogy(centres, loss_by_t.cpu(), "o-")
    right.set(xlabel="t", ylabel="loss", title="loss by t")
    for panel in (left, right):  # plain numbers at 1, 2 and 5 of each decade: a loss may span only one
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
    plt.close(figure)
    return figure


def plot_losses_beside(curves: dict[str, dict]) -> plt.Figure:
    """The losses of several networks on one scale, which is the same in each picture.

    curves  name -> {"loss_by_t": values from small t to T, "loss_without": the same without a context,
            "loss_along": values from the first step of the training on}
    """
    figure, panels = plt.subplots(1, 3, figsize=(11, 2.8), sharey=True, layout="constrained")
    titles = {
        "loss_along": ("loss along the training", "% of the training"),
        "loss_by_t": ("loss by t, last quarter of the training", "t in % of T"),
        "loss_without": ("loss by t without a context, new images", "t in % of T"),
    }
    for panel, (key, (title, xlabel)) in zip(panels, titles.items()):
        for name, losses in curves.items():
            percent = (np.arange(len(losses[key])) + 0.5) * 100 / len(losses[key])
            panel.semilogy(percent, losses[key], ".-", label=name)
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.set(title=title, xlabel=xlabel)
    levels = (0.01, 0.03, 0.1, 0.3, 1)
    panels[0].set(ylim=(0.003, 1.6), yticks=levels, yticklabels=levels, ylabel="loss")
    panels[0].legend(fontsize="small")
    plt.close(figure)
    return figure
