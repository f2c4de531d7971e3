"""Pictures: sheets of small images, and curves."""

import io
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .data import to_display
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
    """Writes a picture (H, W, 3) uint8 to a temporary name and renames it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    Image.fromarray(pixels).save(temporary, format="PNG", optimize=True)
    os.replace(temporary, path)


class Sheet:
    """A picture for the last line of a notebook's cell: a PNG (Pillow's own is stored as a JPEG, too)."""

    def __init__(self, pixels: np.ndarray):
        self.pixels = pixels

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        return f"<Sheet {width}x{height}>"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, format="PNG", optimize=True)
        return buffer.getvalue()


def show_sheet(images: Tensor, columns: int = 10, scale: int = 4) -> Sheet:
    """The sheet as a picture that a notebook shows when it is the last line of a cell."""
    return Sheet(sheet(images, columns, scale))


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
    left.legend()
    right.legend()
    plt.close(figure)  # a notebook would show it a second time, and keep it
    return figure


def plot_losses(losses, loss_by_t: Tensor, num_steps: int) -> plt.Figure:
    """The loss along training, and by t: where the work is.

    losses    one number a training step (or an epoch), in order
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
    left.set(xlabel="training so far", ylabel="loss", title="loss along training")
    centres = (np.arange(len(loss_by_t)) + 0.5) * num_steps / len(loss_by_t)
    right.semilogy(centres, loss_by_t.cpu(), "o-")
    right.set(xlabel="t", ylabel="loss", title="loss by t")
    plt.close(figure)
    return figure
