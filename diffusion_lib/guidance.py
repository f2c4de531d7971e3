"""What samplers call: a network with its context, guided or not, as a plain function of x_t and t."""

import torch
from torch import Tensor, nn

from .schedule import NoiseSchedule, per_image, predict_clean


def guided(model: nn.Module, schedule: NoiseSchedule, context: Tensor | None = None, weight: float = 1.0):
    """predict_noise(x_t, t) with classifier-free guidance.

    noise = model(x_t, none) + weight * (model(x_t, context) - model(x_t, none))

    (Ho & Salimans 2022, eq. 6, whose w is weight - 1 here.) weight = 1 is plain conditioning and
    weight = 0 ignores the context: each costs one forward; every other weight costs one forward of
    twice the batch. context is (K,) for all images or (batch, K), None for no context. The function
    takes t as the step, an int or a LongTensor (batch,), and divides it by T for the network.

    Raises ValueError if the model is in training mode, because BatchNorm would then mix the images of
    a batch; at the first call if the context's shape does not fit.
    """
    _check_eval(model)
    doubled = context is not None and weight not in (0, 1)
    context = None if weight == 0 else context

    def predict_noise(x_t: Tensor, t) -> Tensor:
        _check_eval(model)
        t, T = schedule.index(t), schedule.num_steps
        t = x_t.new_full((1,), t / T) if isinstance(t, int) else t.to(x_t).reshape(-1) / T
        c = _for_each_image(context, x_t)
        if not doubled:
            return model(x_t, t, c)
        both = torch.cat((torch.zeros_like(c), c))
        t = torch.cat((t, t)) if len(t) > 1 else t
        without, with_context = model(torch.cat((x_t, x_t)), t, both).chunk(2)
        return without + weight * (with_context - without)

    return predict_noise


def clipped(predict_noise, schedule: NoiseSchedule):
    """predict_noise whose clean image is clipped to [-1, 1], the range of all images.

    Clips x_0 = predict_clean(x_t, t, noise) and gives the noise that belongs to it, eq. 4 solved for
    the noise: (x_t - sqrt(alpha_bar_t) * x_0) / sqrt(1 - alpha_bar_t).
    """

    def clipped_predict_noise(x_t: Tensor, t) -> Tensor:
        alpha_bar = schedule.at(t, lowest=1).alpha_bar
        clean = predict_clean(schedule, x_t, t, predict_noise(x_t, t)).clamp(-1, 1)
        return (x_t - per_image(alpha_bar**0.5, x_t) * clean) / per_image((1 - alpha_bar) ** 0.5, x_t)

    return clipped_predict_noise


def _for_each_image(context: Tensor | None, x_t: Tensor) -> Tensor | None:
    if context is None:
        return None
    if context.ndim not in (1, 2):
        raise ValueError(f"context must have shape (K,) or (batch, K), got {tuple(context.shape)}")
    context = context.to(x_t)
    return context.expand(len(x_t), -1) if context.ndim == 1 else context


def _check_eval(model: nn.Module) -> None:
    if getattr(model, "training", False):
        raise ValueError("the model is in training mode: call model.eval() before sampling")
