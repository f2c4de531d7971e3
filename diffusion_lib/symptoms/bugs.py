"""The bugs themselves, each as a small broken part: networks, a loss, labels, samplers, a display."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..data import ImageData
from ..samplers import SamplingStep, ddpm_step, standard_normal
from ..schedule import add_noise, per_image, predict_clean
from ..unet import ContextUnet, ResidualConvBlock


class RandomShortcut(ResidualConvBlock):
    """The shortcut of the copied code: a convolution made in forward, with new weights at each call."""

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.conv1(x)
        x2 = self.conv2(x1)
        shortcut = nn.Conv2d(x.shape[1], x2.shape[1], kernel_size=1)
        return (shortcut(x) + x2) / 2**0.5


class WithoutSkips(ContextUnet):
    """Zeros arrive where the skips should: all must pass through the one vector in the middle."""

    def __init__(self, *size):
        super().__init__(*size)
        for up in (self.up1, self.up2):
            up.register_forward_pre_hook(lambda module, args: (args[0], torch.zeros_like(args[1])))
        self.out.register_forward_pre_hook(lambda module, args: args[0] * self.first_half)
        half = torch.arange(2 * self.n_feat).view(-1, 1, 1) < self.n_feat
        self.register_buffer("first_half", half, persistent=False)


class WithoutTime(ContextUnet):
    """The network is never told how noisy its input is."""

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        return super().forward(x, torch.zeros_like(t), c)


def loss_without_root(model, schedule, x_0, t, noise, context=None) -> Tensor:
    """The loss with the noise multiplied by 1 - alpha_bar where its square root belongs."""
    alpha_bar = schedule.alpha_bar[t]
    x_t = per_image(alpha_bar.sqrt(), x_0) * x_0 + per_image(1 - alpha_bar, x_0) * noise
    predicted = model(x_t, t.to(x_t.dtype) / schedule.num_steps, context)
    return (noise - predicted).square().flatten(start_dim=1).mean(dim=1)


def with_random_shortcut(*size) -> ContextUnet:
    """A ContextUnet whose first block has the shortcut of the copied code."""
    model = ContextUnet(*size)
    model.init_conv = RandomShortcut(size[0], size[1], is_res=True)
    return model


def negated(data: ImageData) -> ImageData:
    """The context as the script that the network comes from leaves it: c * (-1 * (1 - mask)), minus one."""
    return replace(data, labels=-data.labels)


def wrong_ddpm(kind: str, predict_noise, schedule, x_T: Tensor, generator) -> Iterator[SamplingStep]:
    """DDPM with one thing wrong: no_noise, uniform_noise, beta_for_sigma or last_noise."""
    x_t = x_T
    for t in range(schedule.num_steps, 0, -1):
        with torch.no_grad():
            predicted = predict_noise(x_t, t)
        yield SamplingStep(t, x_t, predicted, schedule)
        noise, beta = standard_normal(x_t, generator), float(schedule.beta[t])
        if kind == "no_noise":
            noise = torch.zeros_like(noise)
        elif kind == "uniform_noise":
            noise = torch.rand(x_t.shape, generator=generator)
        elif kind == "beta_for_sigma":
            noise = noise * beta**0.5  # sigma = sqrt(beta): beta in all
        x_t = ddpm_step(schedule, x_t, t, predicted, noise)
        if kind == "last_noise" and t == 1:
            x_t = x_t + beta**0.5 * noise
    yield SamplingStep(0, x_t, None, schedule)


def wrapped_ddim(predict_noise, schedule, x_T: Tensor, num_steps: int = 30) -> Iterator[SamplingStep]:
    """DDIM that steps by T // n, as in the labs: a t below 0 is counted from the end, the noisiest."""
    x_t, stride = x_T, schedule.num_steps // num_steps
    for t in range(schedule.num_steps, 0, -stride):
        with torch.no_grad():
            predicted = predict_noise(x_t, t)
        yield SamplingStep(t, x_t, predicted, schedule)
        clean = predict_clean(schedule, x_t, t, predicted)
        x_t = add_noise(schedule, clean, (t - stride) % (schedule.num_steps + 1), predicted)
    yield SamplingStep(0, x_t, None, schedule)


def stretched(images: Tensor) -> Tensor:
    """The labs' display: each image and channel by its own least and greatest value."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return (images - low) / (high - low) * 2 - 1
