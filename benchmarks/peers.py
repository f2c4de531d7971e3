"""Ways to train for the same time: the labs' recipe, the same with its bug, diffusers' own. Ours: ours.py.

One rule for all: the network is made, and a few steps are taken with a copy of it, before the clock starts;
it then runs until the time is up. The learning rate falls with the share of the time that is spent.
"""

import math
import time

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from diffusion_lib.data import ImageData
from diffusion_lib.devices import is_mixed
from diffusion_lib.guidance import guided
from diffusion_lib.samplers import last, sample_ddim
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.symptoms.bugs import loss_without_root
from diffusion_lib.training import noise_prediction_loss
from diffusion_lib.unet import ContextUnet

WARM_UP_STEPS = 3
SAMPLING_STEPS = 50

REFERENCE = {
    "n_feat": 64, "batch_size": 100, "learning_rate": 1e-3, "context_dropout": 0.1,
    "num_steps": 500, "beta_start": 1e-4, "beta_end": 0.02,
}  # fmt: skip
# The tutorial "Train a diffusion model" of diffusers: AdamW, a cosine after the warm-up, gradients clipped,
# mixed precision. Its six levels are for 128 x 128; three levels of one layer each cost as much as our 32
# features, 79 MFLOP an image against 76. Its GroupNorm has 4 channels a group and more; the default of 32
# groups would leave one here, whose mean it would take away. Its mirroring is left out: it would spoil digits
# and side views.
DIFFUSERS = {
    "block_out_channels": [32, 32, 64], "layers_per_block": 1, "batch_size": 16, "learning_rate": 1e-4,
    "warmup_steps": 500, "num_steps": 1000, "precision": "auto", "norm_num_groups": 8,
    "use_clipped_model_output": False,
}  # fmt: skip
# Its rate and batch are meant for a network much larger than this one. The warm-up is the same number of
# images. Its sampler clips the clean image but, unless it is told to, goes on with the noise as before.
FASTER = DIFFUSERS | {
    "batch_size": 64, "learning_rate": 1e-3, "warmup_steps": 125, "use_clipped_model_output": True,
}  # fmt: skip


CPU = torch.device("cpu")


class Clock:
    """The seconds of training, spent out of a budget and shown in a bar."""

    def __init__(self, budget: float, bar: tqdm):
        self.budget, self.bar, self.spent, self.processor_seconds = budget, bar, 0.0, 0.0

    def start(self) -> None:
        self.began, self.processor_began = time.perf_counter(), time.process_time()

    def tick(self) -> None:
        """To be called after each step."""
        self.spent = time.perf_counter() - self.began
        self.processor_seconds = time.process_time() - self.processor_began
        self.bar.update(min(self.spent, self.budget) - self.bar.n)


class Recipe:
    """A network and its way of training. Subclasses make `net` and give `step` and `draw`."""

    net: nn.Module

    def __init__(self, data: ImageData, seed: int, settings: dict):
        self.data, self.seed, self.settings = data, seed, settings
        self.channels, self.height = data.images.shape[1:3]
        self.batch_size = settings["batch_size"]
        torch.manual_seed(seed)  # for the first weights
        self.generator = torch.Generator().manual_seed(seed)
        self.batches = self._endless_batches()

    def step(self, spent: float) -> None:
        """One step of training, when this share of the time is spent (0 to 1)."""
        raise NotImplementedError

    def draw(self, x_T: Tensor, labels: Tensor) -> Tensor:
        """Finished images of these classes (one-hot) from this noise, with 50 steps of DDIM."""
        raise NotImplementedError

    def forward_once(self) -> None:
        """One forward of one image, to be counted."""
        image = torch.zeros(1, self.channels, self.height, self.height)
        self.net.eval()(image, torch.ones(1), self.data.labels[:1])

    def fit(self, clock: Clock) -> int:
        """Trains until the time is up; gives the number of steps."""
        thrown_away = type(self)(self.data, self.seed, self.settings)
        for _ in range(WARM_UP_STEPS):
            thrown_away.step(0.0)
        clock.start()
        steps = 0
        while clock.spent < clock.budget:
            self.step(clock.spent / clock.budget)
            steps += 1
            clock.tick()
        return steps

    def size(self) -> tuple[int, float]:
        """The number of parameters, and millions of floating-point operations in a forward of one image."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.forward_once()
        return sum(p.numel() for p in self.net.parameters()), round(counter.get_total_flops() / 1e6, 1)

    def _endless_batches(self):
        while True:
            for chosen in torch.randperm(len(self.data), generator=self.generator).split(self.batch_size):
                if len(chosen) == self.batch_size:
                    yield self.data.images[chosen], self.data.labels[chosen]


class Labs(Recipe):
    """(a): the settings of the well-known labs, with shortcut and schedule mended."""

    loss = staticmethod(noise_prediction_loss)

    def __init__(self, data: ImageData, seed: int, settings: dict):
        super().__init__(data, seed, settings)
        self.net = ContextUnet(self.channels, settings["n_feat"], data.labels.shape[1], self.height)
        self.schedule = NoiseSchedule.linear(
            settings["num_steps"], settings["beta_start"], settings["beta_end"]
        )
        self.optimizer = torch.optim.Adam(self.net.parameters())

    def step(self, spent: float) -> None:
        self.net.train()
        self.optimizer.param_groups[0]["lr"] = self.settings["learning_rate"] * (1 - spent)
        x_0, context = next(self.batches)
        t = torch.randint(1, self.schedule.num_steps + 1, (len(x_0),), generator=self.generator)
        noise = torch.randn(x_0.shape, generator=self.generator)
        dropped = torch.rand(len(x_0), 1, generator=self.generator) < self.settings["context_dropout"]
        loss = self.loss(self.net, self.schedule, x_0, t, noise, context.masked_fill(dropped, 0)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def draw(self, x_T: Tensor, labels: Tensor) -> Tensor:
        predict_noise = guided(self.net.eval(), self.schedule, labels)
        return last(sample_ddim(predict_noise, self.schedule, x_T, num_steps=SAMPLING_STEPS))


class LabsWithBug(Labs):
    """(b): the noise times 1 - alpha_bar, without the square root. The sampler is the right one."""

    loss = staticmethod(loss_without_root)


class Diffusers(Recipe):
    """(c): diffusers' network, schedulers and recipe."""

    def __init__(self, data: ImageData, seed: int, settings: dict):
        from diffusers import DDPMScheduler, UNet2DModel  # seconds to import, and only tests and this need it

        super().__init__(data, seed, settings)
        levels = len(settings["block_out_channels"])
        # Attention on the last level but one, as in the tutorial.
        down = ["AttnDownBlock2D" if level == levels - 2 else "DownBlock2D" for level in range(levels)]
        up = ["AttnUpBlock2D" if level == 1 else "UpBlock2D" for level in range(levels)]
        self.net = UNet2DModel(
            sample_size=self.height, in_channels=self.channels, out_channels=self.channels,
            layers_per_block=settings["layers_per_block"], down_block_types=down, up_block_types=up,
            block_out_channels=settings["block_out_channels"], num_class_embeds=data.labels.shape[1],
            norm_num_groups=settings["norm_num_groups"],
        )  # fmt: skip
        self.scheduler = DDPMScheduler(num_train_timesteps=settings["num_steps"])
        self.optimizer = torch.optim.AdamW(self.net.parameters())
        self.bfloat16 = is_mixed(settings["precision"], CPU)
        self.steps, self.warmed_up = 0, 0.0

    def rate(self, spent: float) -> float:
        """get_cosine_schedule_with_warmup, with the clock in the place of the number of steps to come."""
        if self.steps < self.settings["warmup_steps"]:
            self.warmed_up = spent
            return self.settings["learning_rate"] * self.steps / self.settings["warmup_steps"]
        progress = (spent - self.warmed_up) / (1 - self.warmed_up)
        return self.settings["learning_rate"] * (1 + math.cos(math.pi * progress)) / 2

    def step(self, spent: float) -> None:
        self.net.train()
        self.optimizer.param_groups[0]["lr"] = self.rate(spent)
        x_0, labels = next(self.batches)
        noise = torch.randn(x_0.shape, generator=self.generator)
        t = torch.randint(0, self.settings["num_steps"], (len(x_0),), generator=self.generator)
        x_t = self.scheduler.add_noise(x_0, noise, t)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            predicted_noise = self.net(x_t, t, labels.argmax(dim=1), return_dict=False)[0]
            loss = functional.mse_loss(predicted_noise, noise)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1

    def draw(self, x_T: Tensor, labels: Tensor) -> Tensor:
        from diffusers import DDIMScheduler

        scheduler, x_t, classes = DDIMScheduler.from_config(self.scheduler.config), x_T, labels.argmax(dim=1)
        scheduler.set_timesteps(SAMPLING_STEPS)
        clipped = self.settings["use_clipped_model_output"]
        with torch.no_grad():
            for t in scheduler.timesteps:
                predicted_noise = self.net.eval()(x_t, t, classes).sample
                x_t = scheduler.step(predicted_noise, t, x_t, use_clipped_model_output=clipped).prev_sample
        return x_t

    def forward_once(self) -> None:
        image = torch.zeros(1, self.channels, self.height, self.height)
        self.net.eval()(image, 1, torch.zeros(1, dtype=torch.long))
