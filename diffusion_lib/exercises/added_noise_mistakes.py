"""The wrong answers that people give to added_noise, lesson 02."""

import torch

from ..schedule import per_image


def _solved(image, divisor, alpha_bar_of=lambda schedule, t: schedule.alpha_bar[t]):
    """added_noise with another factor of x_0 or another divisor, functions of alpha_bar_t."""

    def wrong(schedule, x_0, x_t, t):
        alpha_bar = alpha_bar_of(schedule, t)
        return (x_t - per_image(image(alpha_bar), x_0) * x_0) / per_image(divisor(alpha_bar), x_0)

    return wrong


def _deviation(alpha_bar):
    return (1 - alpha_bar).sqrt()


def _last_axis(schedule, x_0, x_t, t):
    alpha_bar = schedule.alpha_bar[t].to(x_0.dtype)
    return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()


def _last_axis_float64(schedule, x_0, x_t, t):
    alpha_bar = schedule.alpha_bar[t]
    return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()


def _half_shaped(image):
    """One of the two factors goes through per_image, and the other does not."""

    def wrong(schedule, x_0, x_t, t):
        root, deviation = schedule.alpha_bar[t].sqrt(), _deviation(schedule.alpha_bar[t])
        as_it_is = (deviation if image else root).to(x_0.dtype)
        root, deviation = (per_image(root, x_0), as_it_is) if image else (as_it_is, per_image(deviation, x_0))
        return (x_t - root * x_0) / deviation

    return wrong


def _along_the_channels(schedule, x_0, x_t, t):
    alpha_bar = schedule.alpha_bar[t][:, None, None].to(x_t.dtype)
    return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()


def _divided_by_beta(schedule, x_0, x_t, t):
    image_part = per_image(schedule.alpha_bar[t].sqrt(), x_0) * x_0
    return (x_t - image_part) / per_image(schedule.beta[t].sqrt(), x_0)


def _without_brackets(schedule, x_0, x_t, t):
    alpha_bar = schedule.alpha_bar[t]
    return x_t - per_image(alpha_bar.sqrt(), x_0) * x_0 / per_image(_deviation(alpha_bar), x_0)


def _double(schedule, x_0, x_t, t):
    alpha_bar = schedule.alpha_bar[t].view(-1, 1, 1, 1)
    return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()


def _negative(schedule, x_0, x_t, t):
    return -_solved(torch.sqrt, _deviation)(schedule, x_0, x_t, t)


def _overwritten(schedule, x_0, x_t, t):
    x_t -= per_image(schedule.alpha_bar[t].sqrt(), x_0) * x_0
    x_t /= per_image(_deviation(schedule.alpha_bar[t]), x_0)
    return x_t


ADDED_NOISE = [
    (_solved(torch.sqrt, lambda bar: 1 - bar),
     "The result is too large, most of all at small t: the divisor lacks its square root."),
    (_solved(torch.sqrt, lambda bar: torch.ones_like(bar)),
     "That is the noise as it stands in x_t, still weakened. Divide by its factor, √(1 − ᾱ_t)."),
    (_solved(lambda bar: torch.ones_like(bar), _deviation),
     "x_t holds only √ᾱ_t of the image, so that much must be taken away, not all of x_0."),
    (_solved(lambda bar: bar, _deviation),
     "ᾱ_t stands where √ᾱ_t belongs: too little of the image is taken away."),
    (_solved(torch.sqrt, _deviation, lambda schedule, t: schedule.alpha[t]),
     "α_t belongs to one step, x_t has all of them behind it: take ᾱ, schedule.alpha_bar."),
    (_solved(torch.sqrt, _deviation, lambda schedule, t: schedule.alpha_bar[t - 1]),
     "Off by one: ᾱ_{t-1} stands where ᾱ_t belongs. The index is the paper's t."),
    (_solved(torch.sqrt, _deviation, lambda schedule, t: schedule.alpha_bar[t[:1]]),
     "The first image's t is used for all. Each image has its own."),
    (_solved(lambda bar: bar, lambda bar: 1 - bar),
     "ᾱ_t and 1 − ᾱ_t are shares of variance. Both factors in eq. 4 are their square roots."),
    (_solved(_deviation, torch.sqrt),
     "The two factors have changed places: √ᾱ_t belongs to the image, √(1 − ᾱ_t) to the noise."),
    (_solved(torch.sqrt, lambda bar: 1 / _deviation(bar)),
     "The image's part is taken away rightly. But the noise was multiplied by √(1 − ᾱ_t), so divide by it."),
    (_solved(torch.sqrt, lambda bar: 1 - bar.sqrt()),
     "The divisor is 1 − √ᾱ_t. It is √(1 − ᾱ_t): first subtract, then take the root."),
    (_divided_by_beta,
     "β_t belongs to one step, x_t has all of them behind it: the divisor is √(1 − ᾱ_t)."),
    (_solved(torch.ones_like, torch.ones_like),
     "x_t − x_0 is more than noise: the image has been shrunk, too. And the noise is still weakened."),
    (_without_brackets,
     "Only the image's part is divided. Brackets are missing: (x_t − image part) / √(1 − ᾱ_t)."),
    (_negative, "The sign is wrong: x_t minus the image's part is the noise's part."),
    (_last_axis,
     "The numbers, one for each image, were lined up with the last axis, the columns of pixels: an error for "
     "most sizes, and silently wrong where the batch is as large as the image is wide. See per_image."),
    (_last_axis_float64,
     "The numbers, one for each image, were lined up with the last axis, the columns of pixels. Give them "
     "the shape (batch, 1, 1, 1) and the image's dtype first: per_image does both."),
    (_half_shaped(True),
     "The image's part is shaped rightly, the divisor is not: give it to per_image, too, or its numbers line "
     "up with the columns of pixels."),
    (_half_shaped(False),
     "The divisor is shaped rightly, the image's factor is not: give it to per_image, too, or its numbers "
     "line up with the columns of pixels."),
    (_along_the_channels,
     "The numbers, one for each image, have two axes too few and are lined up with the channels: an error "
     "for most sizes, and silently wrong for as many images as channels. See per_image."),
    (_double,
     "The values are right, but float32 images come back as float64: the schedule's numbers must first take "
     "the image's dtype, as per_image does."),
    (_overwritten, "x_t is overwritten, and the caller still needs it: work on new tensors."),
]  # fmt: skip
