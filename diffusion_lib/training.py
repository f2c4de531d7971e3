"""Training: the loss of one batch, and the loop around it as a generator of its steps."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .data import ImageData
from .emphasis import loss_weights, odds_of_t, parameter_groups
from .limits import check_arguments
from .processes import OneProcess
from .schedule import NoiseSchedule, add_noise, snr

LOSS_BINS = 20  # the loss is kept for each twentieth of the steps 1 .. T


def noise_prediction_loss(
    model: nn.Module, schedule: NoiseSchedule, x_0: Tensor, t: Tensor, noise: Tensor, context=None
) -> Tensor:
    """How far the predicted noise is from the noise that was added, for each image: (batch,).

    L = mean over the pixels of (noise - model(x_t, t / T, context))^2   (DDPM, eq. 14)

    x_0 and noise (batch, channels, height, width), t a LongTensor (batch,) in 1 .. T, context
    (batch, K) or None. The mean of the result is what training makes small.
    """
    x_t = add_noise(schedule, x_0, t, noise)
    predicted_noise = model(x_t, t.to(x_t.dtype) / schedule.num_steps, context)
    return (noise - predicted_noise).square().flatten(start_dim=1).mean(dim=1)


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """What is known after one step of training: step 1 .. num_steps, epoch 1 .. num_epochs.

    t and losses (batch,): the steps drawn and the loss of each. loss: their mean, eq. 14 if t is uniform.
    run holds the models and all other state: run.ema_model is the one to sample from.
    """

    step: int
    num_steps: int
    epoch: int
    loss: float
    t: Tensor
    losses: Tensor
    learning_rate: float
    run: TrainingRun


class TrainingRun:
    """All that changes while a model trains. With `tensors` saved, a run goes on bit for bit."""

    def __init__(self, model: nn.Module, ema_decay: float, seed: int, groups=None):
        self.model = model.to(memory_format=torch.channels_last)  # a layout in which CPUs convolve faster
        # The moving average, of BatchNorm's statistics too. Copy it to move it: lists below hold its tensors.
        self.ema_model, self.ema_decay = copy.deepcopy(self.model).eval(), ema_decay
        both = ([*net.parameters(), *net.buffers()] for net in (self.ema_model, model))
        self.averaged_and_current = [list(filter(Tensor.is_floating_point, values)) for values in both]
        self.optimizer = torch.optim.Adam(groups or model.parameters(), fused=True)
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.long)  # this epoch's order of the images
        self.step = 0
        self.loss_history = torch.zeros(0, 2, LOSS_BINS, dtype=torch.float64)

    def update_average(self) -> None:
        """Moves ema_model towards model. torch's AveragedModel would walk through all modules for that."""
        # A constant decay of 0.999 would still hold an eighth of the random first weights after
        # 2,000 steps, and draw noise. So it grows from 0 to ema_decay with the number of steps.
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step)) if self.step else 0.0
        get_ema_multi_avg_fn(decay)(*self.averaged_and_current, None)

    def loss_by_t(self, epoch: int = -1) -> Tensor:
        """An epoch's mean loss for each twentieth of 1 .. T, small t first: (20,), NaN where none fell."""
        total, count = self.loss_history[epoch]
        return total / count

    def record(self, epoch: int, which: Tensor, losses: Tensor) -> None:
        """Adds the losses of a batch to its epoch's row; `which` is the bin of each image."""
        if epoch > len(self.loss_history):
            row = torch.zeros(1, 2, LOSS_BINS, dtype=torch.float64)
            self.loss_history = torch.cat((self.loss_history, row))
        losses = losses.cpu().double()  # MPS has no float64
        self.loss_history[-1].index_add_(1, which, torch.stack((losses, torch.ones_like(losses))))

    def tensors(self) -> dict[str, Tensor]:
        """Everything as named tensors: models, buffers, Adam's moments, generator, place in the data."""
        result = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        result |= {f"ema.{name}": value for name, value in self.ema_model.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            result |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        result |= {"generator": self.generator.get_state(), "order": self.order}
        return result | {"step": torch.tensor(self.step), "loss_history": self.loss_history.clone()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes up what `tensors` gave. Raises RuntimeError if it is of another network."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.ema_model.load_state_dict(part("ema.module." if "ema.n_averaged" in tensors else "ema."))
        moments, parameters = {}, [p for group in self.optimizer.param_groups for p in group["params"]]
        for name, value in part("adam.").items():
            index, key = name.split(".")
            like = value if key == "step" else parameters[int(index)]  # the moments in the weights' layout
            moments.setdefault(int(index), {})[key] = torch.empty_like(like).copy_(value)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.generator.set_state(tensors["generator"])
        self.order, self.step = tensors["order"].clone(), int(tensors["step"])
        self.loss_history = tensors["loss_history"].clone()


def train(
    model: nn.Module,
    schedule: NoiseSchedule,
    data: ImageData,
    *,
    num_epochs: int,
    batch_size: int = 64,
    learning_rate: float = 4e-3,
    warmup_steps: int = 50,
    context_dropout: float = 0.1,
    weighting: str = "none",
    draw_t: str = "uniform",
    class_rate: float = 1.0,
    ema_decay: float = 0.999,
    mixed_precision: bool = False,
    seed: int = 0,
    resume: dict[str, Tensor] | None = None,
    processes: OneProcess | None = None,
) -> Iterator[TrainingStep]:
    """Trains the model in place, one step of Adam for each TrainingStep (DDPM, algorithm 1).

    Each image gets its own noise and its own t, uniform on 1 .. T unless draw_t says otherwise; with
    probability context_dropout its context is zeroed, so that the network also learns to do without (Ho &
    Salimans 2022, algorithm 1). The learning rate climbs for warmup_steps and falls in a line that meets 0
    after the last step. An epoch goes through the data once, in a new order, without the images that do not
    fill a batch. draw_t ("middle" is the command's default) and weighting say which steps count more,
    class_rate how much faster the classes' own weights learn (emphasis.py). mixed_precision lets the
    convolutions compute in bfloat16, faster where the processor knows it; the weights stay as they are.

    All randomness is drawn on the CPU from one generator with this seed; torch's own is left alone. The
    device is the model's. resume takes what step.run.tensors() gave in a run with the same arguments.
    With several processes (see processes.py) each draws the whole batch, works on its part of it, and
    takes the mean of all gradients and BatchNorm statistics: all models stay equal, whatever their number.

    Raises ValueError for arguments out of range or data that does not fit the model, and
    FloatingPointError, before the weights change, if the loss is no longer a number.
    """
    processes = processes or OneProcess()
    steps_per_epoch = check_arguments(
        model, data, num_epochs, batch_size, learning_rate, context_dropout, ema_decay, processes.count
    )
    num_steps = num_epochs * steps_per_epoch
    device, dtype = next((p.device, p.dtype) for p in model.parameters())
    images, labels = data.images.to(device, dtype), data.labels.to(device, dtype)
    snr_by_t = snr(schedule, torch.arange(schedule.num_steps + 1)).cpu()
    weights = loss_weights(snr_by_t, weighting).to(dtype).to(device)  # MPS has no float64
    odds = odds_of_t(snr_by_t, draw_t)
    run = TrainingRun(model, ema_decay, seed, parameter_groups(model, learning_rate, class_rate))
    if resume is not None:
        run.load(resume)
        if len(run.order) != len(data):
            raise ValueError(f"resume must be of a run on {len(data)} images, got {len(run.order)}")

    def rate_factor(step: int) -> float:
        return min((step + 1) / max(warmup_steps, 1), 1.0) * (1 - step / num_steps)

    scheduler = torch.optim.lr_scheduler.LambdaLR(run.optimizer, rate_factor, last_epoch=run.step - 1)

    parameters, buffers = list(model.parameters()), list(model.buffers())
    while run.step < num_steps:
        place = run.step % steps_per_epoch
        if place == 0:
            run.order = torch.randperm(len(data), generator=run.generator)
        chosen = run.order[place * batch_size : (place + 1) * batch_size]
        if odds is None:
            t = torch.randint(1, schedule.num_steps + 1, (batch_size,), generator=run.generator)
        else:
            t = 1 + torch.multinomial(odds, batch_size, replacement=True, generator=run.generator)
        noise = torch.randn(batch_size, *images.shape[1:], generator=run.generator, dtype=dtype)
        keep = torch.rand(batch_size, 1, generator=run.generator) >= context_dropout  # 1 = keep

        model.train()
        before = [buffer.clone() for buffer in buffers]
        here, t_here, noise, keep = (processes.own(whole).to(device) for whole in (chosen, t, noise, keep))
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed_precision):
            losses = noise_prediction_loss(model, schedule, images[here], t_here, noise, labels[here] * keep)
        loss = (losses * weights[t_here]).mean()
        used_rate = scheduler.get_last_lr()[0]
        run.optimizer.zero_grad()
        loss.backward()
        gradients = [p.grad for p in parameters]
        processes.average([loss.detach(), *gradients, *filter(Tensor.is_floating_point, buffers)])
        gradient = torch.nn.utils.get_total_norm(gradients)
        if not (loss + gradient).isfinite():
            for buffer, value in zip(buffers, before):
                buffer.copy_(value)  # the forward has moved BatchNorm's averages
            raise FloatingPointError(
                f"the loss is {loss.item()}, its gradient {gradient.item()} at step {run.step + 1}: the rate "
                f"{learning_rate:g} may be too high, or an image not finite. The model is as it was before."
            )
        run.optimizer.step()
        scheduler.step()
        run.update_average()
        run.step += 1
        epoch = (run.step - 1) // steps_per_epoch + 1
        losses = processes.gather(losses.detach())
        run.record(epoch, (t - 1) * LOSS_BINS // schedule.num_steps, losses)
        yield TrainingStep(run.step, num_steps, epoch, losses.mean().item(), t, losses, used_rate, run)
