"""Training: the loss of one batch, and the loop around it as a generator of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .data import ImageData
from .schedule import NoiseSchedule, add_noise

LOSS_BINS = 20  # the loss is kept for each twentieth of the steps 1 .. T


def noise_prediction_loss(
    model: nn.Module,
    schedule: NoiseSchedule,
    x_0: Tensor,
    t: Tensor,
    noise: Tensor,
    context: Tensor | None = None,
) -> Tensor:
    """How far the predicted noise is from the noise that was added, for each image: (batch,).

    L = mean over the pixels of (noise - model(x_t, t / T, context))^2   (DDPM, eq. 14)

    x_0 and noise (batch, channels, height, width), t a LongTensor (batch,) in 1 .. T, context
    (batch, K) or None. The mean of the result is what training makes small.
    """
    x_t = add_noise(schedule, x_0, t, noise)
    predicted_noise = model(x_t, (t / schedule.num_steps).to(x_t.dtype), context)
    return (noise - predicted_noise).square().flatten(start_dim=1).mean(dim=1)


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """What is known after one step of training.

    step        1 .. num_steps; epoch 1 .. num_epochs
    loss        mean of losses
    t, losses   the steps drawn for the images of the batch and the loss of each, (batch,)
    run         the models and all other state: run.ema_model is the one to sample from
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

    def __init__(self, model: nn.Module, ema_decay: float, seed: int):
        self.model = model.to(memory_format=torch.channels_last)  # a layout in which CPUs convolve faster
        # use_buffers: BatchNorm's running mean and variance are averaged like the weights.
        average = get_ema_multi_avg_fn(ema_decay)
        self.averaged = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
        self.optimizer = torch.optim.Adam(model.parameters(), fused=True)
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.long)  # this epoch's order of the images
        self.step = 0
        self.loss_history = torch.zeros(0, 2, LOSS_BINS, dtype=torch.float64)

    @property
    def ema_model(self) -> nn.Module:
        """The exponential moving average of the weights, in evaluation mode: better images."""
        return self.averaged.module.eval()

    def loss_by_t(self, epoch: int = -1) -> Tensor:
        """The mean loss in one epoch for each twentieth of the steps 1 .. T, small t first: (20,)."""
        total, count = self.loss_history[epoch]
        return total / count

    def record(self, epoch: int, which: Tensor, losses: Tensor) -> None:
        """Adds the losses of a batch to its epoch's row; `which` is the bin of each image."""
        if epoch > len(self.loss_history):
            row = torch.zeros(1, 2, LOSS_BINS, dtype=torch.float64)
            self.loss_history = torch.cat((self.loss_history, row))
        both = torch.stack((losses.double().cpu(), torch.ones(len(losses), dtype=torch.float64)))
        self.loss_history[-1].index_add_(1, which, both)

    def tensors(self) -> dict[str, Tensor]:
        """Everything as named tensors: models, buffers, Adam's moments, generator, place in the data."""
        result = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        result |= {f"ema.{name}": value for name, value in self.averaged.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            result |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        result |= {"generator": self.generator.get_state(), "order": self.order}
        return result | {"step": torch.tensor(self.step), "loss_history": self.loss_history}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes up what `tensors` gave. Raises RuntimeError if it is of another network."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.averaged.load_state_dict(part("ema."))
        parameters, moments = list(self.model.parameters()), {}
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
    learning_rate: float = 2e-3,
    warmup_steps: int = 50,
    context_dropout: float = 0.1,
    ema_decay: float = 0.995,
    seed: int = 0,
    resume: dict[str, Tensor] | None = None,
) -> Iterator[TrainingStep]:
    """Trains the model in place, one step of Adam for each TrainingStep (DDPM, algorithm 1).

    Each image gets its own t ~ U{1..T} and its own noise; with probability context_dropout its context
    is zeroed, so that the network also learns to do without (Ho & Salimans 2022, algorithm 1). The
    learning rate climbs for warmup_steps and then falls in a line to 0 at the last step. An epoch goes
    through the data once, in a new order, and leaves out the images that do not fill a batch.

    All randomness is drawn on the CPU from one generator with this seed; torch's own is left alone.
    resume takes what step.run.tensors() gave in a run with the same arguments, and goes on after it.
    The device is the model's.

    Raises ValueError for arguments out of range or data that does not fit the model, and
    FloatingPointError, before the weights change, if the loss is no longer a number.
    """
    steps_per_epoch = _check(model, data, num_epochs, batch_size, learning_rate, context_dropout, ema_decay)
    num_steps = num_epochs * steps_per_epoch
    device = next(model.parameters()).device
    images, labels = data.images.to(device), data.labels.to(device)
    run = TrainingRun(model, ema_decay, seed)
    if resume is not None:
        run.load(resume)

    def rate_factor(step: int) -> float:
        return min((step + 1) / max(warmup_steps, 1), 1.0) * (1 - step / num_steps)

    for group in run.optimizer.param_groups:
        group["initial_lr"] = learning_rate
    scheduler = torch.optim.lr_scheduler.LambdaLR(run.optimizer, rate_factor, last_epoch=run.step - 1)

    while run.step < num_steps:
        place = run.step % steps_per_epoch
        if place == 0:
            run.order = torch.randperm(len(data), generator=run.generator)
        chosen = run.order[place * batch_size : (place + 1) * batch_size].to(device)
        x_0, context = images[chosen], labels[chosen]
        t = torch.randint(1, schedule.num_steps + 1, (batch_size,), generator=run.generator)
        noise = torch.randn(x_0.shape, generator=run.generator)
        keep = torch.rand(batch_size, 1, generator=run.generator) >= context_dropout  # 1 = keep

        model.train()
        context = context * keep.to(device)
        losses = noise_prediction_loss(model, schedule, x_0, t.to(device), noise.to(device), context)
        loss = losses.mean()
        if not loss.isfinite():
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {run.step + 1}: a learning rate of {learning_rate:g} may "
                "be too high, or an image is not finite. The weights are those of the step before."
            )
        used_rate = scheduler.get_last_lr()[0]
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        scheduler.step()
        run.averaged.update_parameters(model)
        run.step += 1
        epoch = (run.step - 1) // steps_per_epoch + 1
        run.record(epoch, (t - 1) * LOSS_BINS // schedule.num_steps, losses.detach())
        yield TrainingStep(
            run.step, num_steps, epoch, loss.item(), t, losses.detach(), used_rate, run
        )


def _check(model, data, num_epochs, batch_size, learning_rate, context_dropout, ema_decay) -> int:
    """The number of steps in an epoch; raises ValueError for what `train` cannot work with."""
    if num_epochs < 1:
        raise ValueError(f"num_epochs must be at least 1, got {num_epochs}")
    if not 1 <= batch_size <= len(data):
        raise ValueError(f"batch_size must lie in 1 .. {len(data)} (all images), got {batch_size}")
    if not 0 < learning_rate < float("inf"):
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")
    if not 0 <= context_dropout <= 1:
        raise ValueError(f"context_dropout must lie between 0 and 1, got {context_dropout}")
    if not 0 <= ema_decay < 1:
        raise ValueError(f"ema_decay must lie between 0 and 1, 1 excluded, got {ema_decay}")
    config = getattr(model, "config", None)
    if config is not None:
        image = (config["in_channels"], config["height"], config["height"])
        if tuple(data.images.shape[1:]) != image:
            raise ValueError(f"the model takes images {image}, the data has {tuple(data.images.shape[1:])}")
        n_cfeat, classes = config["n_cfeat"], data.labels.shape[1]
        if n_cfeat != classes:
            raise ValueError(f"n_cfeat must be {classes}, the data's number of classes, got {n_cfeat}")
    return len(data) // batch_size
