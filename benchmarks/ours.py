"""Our own recipe, `train` with the defaults of its command, for a given time."""

import copy
import math
import time

import torch
from torch import Tensor, nn

from diffusion_lib import train as command
from diffusion_lib.data import ImageData
from diffusion_lib.devices import is_mixed
from diffusion_lib.guidance import clipped, guided
from diffusion_lib.samplers import last, sample_ddim
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.training import train
from diffusion_lib.unet import ContextUnet

from .peers import CPU, SAMPLING_STEPS, WARM_UP_STEPS, Clock, Recipe

PROBE_SECONDS = 20  # to learn the speed of `train`, whose rate falls by the number of its steps
EPOCH = 24_000  # images; a small data set is repeated up to it, so that whole epochs fit the time

# What `python -m diffusion_lib.train` does when it is told nothing: it is asked, so the two cannot differ.
_COMMAND = vars(command.parse(["--epochs", "1", "--out", "."]))
OURS = {name: _COMMAND[name] for name in (
    "n_feat", "batch_size", "learning_rate", "warmup_steps", "context_dropout", "weighting", "draw_t",
    "ema_decay", "schedule", "num_steps", "beta_start", "beta_end", "precision",
)}  # fmt: skip


class Ours(Recipe):
    """(d): `train` as the course's command calls it."""

    def __init__(self, data: ImageData, seed: int, settings: dict):
        super().__init__(data, seed, settings)
        if settings["schedule"] not in ("linear", "cosine"):
            raise ValueError(f'schedule must be "linear" or "cosine", got {settings["schedule"]!r}')
        if settings["schedule"] == "cosine":
            self.schedule = NoiseSchedule.cosine(settings["num_steps"])
        else:
            betas = settings["beta_start"], settings["beta_end"]
            self.schedule = NoiseSchedule.linear(settings["num_steps"], *betas)
        self.net = ContextUnet(self.channels, settings["n_feat"], data.labels.shape[1], self.height)

    def fit(self, clock: Clock) -> int:
        speed = self._steps_per_second(min(PROBE_SECONDS, clock.budget / 10))
        num_steps = max(1, round(speed * clock.budget))
        copies = range(max(1, EPOCH // len(self.data)))
        pool = torch.cat([torch.randperm(len(self.data), generator=self.generator) for _ in copies])
        num_epochs = math.ceil(num_steps * self.batch_size / len(pool))
        an_epoch = self.data.subset(pool[: num_steps // num_epochs * self.batch_size])
        clock.start()
        for step in self._train(self.net, an_epoch, num_epochs):
            clock.tick()
            run, steps = step.run, step.step
            if clock.spent >= clock.budget:  # slower than foreseen: what is left of the rate is near 0
                break
        self.net = run.ema_model
        return steps

    def draw(self, x_T: Tensor, labels: Tensor) -> Tensor:
        predict_noise = clipped(guided(self.net.eval(), self.schedule, labels), self.schedule)
        return last(sample_ddim(predict_noise, self.schedule, x_T, num_steps=SAMPLING_STEPS))

    def _train(self, net: nn.Module, data: ImageData, num_epochs: int):
        names = ("batch_size", "learning_rate", "warmup_steps", "context_dropout", "weighting", "draw_t",
                 "ema_decay")  # fmt: skip
        return train(
            net, self.schedule, data, num_epochs=num_epochs, seed=self.seed,
            mixed_precision=is_mixed(self.settings["precision"], CPU),
            **{name: self.settings[name] for name in names},
        )  # fmt: skip

    def _steps_per_second(self, seconds: float) -> float:
        """From steps with a copy, thrown away. The first few are not counted."""
        start, counted = time.perf_counter(), 0
        for step in self._train(copy.deepcopy(self.net), self.data, 1_000_000):
            if step.step == WARM_UP_STEPS:
                start = time.perf_counter()
            counted, spent = step.step - WARM_UP_STEPS, time.perf_counter() - start
            if counted >= WARM_UP_STEPS and spent >= seconds:
                break
        return counted / spent
