"""What the training view shows, as functions from the state to pixels."""

import numpy as np
import torch
from torch import Tensor, nn

from ..plots import sheet
from ..schedule import NoiseSchedule, add_noise, predict_clean
from .base import BLUE, GREY, ORANGE
from .charts import Chart, round_bounds

POINTS = 300  # more points than a curve of this width can show


def loss_chart(losses, num_steps: int) -> np.ndarray:
    """The loss of each step so far (thin) and its running mean (thick), on an axis of all num_steps."""
    losses = np.asarray(losses, dtype=float)
    low, high = (losses.min(), losses.max()) if len(losses) else (0.1, 1.0)
    y = round_bounds(low, high)
    chart = Chart("loss: each step, and its mean", (0, max(num_steps, 1)), y, "step", log=True)
    steps = np.arange(1, len(losses) + 1)
    some = np.unique(np.linspace(0, len(losses) - 1, POINTS).astype(int)) if len(losses) else steps
    chart.curve(steps[some], losses[some], GREY, 0.7)
    window = max(1, len(losses) // 30)
    if window > 1:
        total = np.concatenate(([0.0], losses.cumsum()))
        before = np.maximum(steps - window, 0)  # the mean of the last `window` losses, fewer at the start
        chart.curve(steps[some], ((total[steps] - total[before]) / (steps - before))[some], BLUE)
    return chart.pixels


def loss_by_t_chart(loss_by_t: Tensor, num_steps: int, t: int) -> np.ndarray:
    """This epoch's loss by t, one point for each bin that has any, and a line at the chosen t."""
    values = loss_by_t.tolist()
    known = [value for value in values if value == value and value > 0] or [0.1, 1.0]
    y = round_bounds(min(known), max(known))
    chart = Chart("loss by t, this epoch", (0, num_steps), y, log=True)
    centres = (np.arange(len(values)) + 0.5) * num_steps / len(values)
    chart.curve(centres, values, ORANGE)
    return chart.marked(t, [])


def guess_rows(
    model: nn.Module, schedule: NoiseSchedule, x_0: Tensor, noise: Tensor, context: Tensor, t: int
) -> np.ndarray:
    """Three rows of pictures: x_0, x_t and the clean images that the model guesses from x_t. 1 <= t <= T."""
    weight = next(model.parameters())
    x_0, noise = x_0.to(weight), noise.to(weight)
    x_t = add_noise(schedule, x_0, t, noise)
    with torch.no_grad():
        predicted = model(x_t, x_t.new_tensor([t / schedule.num_steps]), context.to(weight))
    guess = predict_clean(schedule, x_t, t, predicted).nan_to_num()
    return sheet(torch.cat((x_0, x_t, guess)), columns=len(x_0), scale=1)
