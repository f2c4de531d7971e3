"""The wrong answers that people give to noise_further and added_noise, lesson 02."""

import torch

from ..schedule import per_image

# --- noise_further -------------------------------------------------------------------------------------


def _jump(image_factor, noise_factor):
    """noise_further with other factors: each a function of alpha_bar at s and at t."""

    def wrong(schedule, x_s, s, t, noise):
        before, after = schedule.alpha_bar[s], schedule.alpha_bar[t]
        return image_factor(before, after) * x_s + noise_factor(before, after) * noise

    return wrong


def _root(before, after):
    return (after / before).sqrt()


def _rest(before, after):
    return (1 - after / before).sqrt()


def _by_kept(kept_of):
    """noise_further with another share: a function of the schedule, s and t."""

    def wrong(schedule, x_s, s, t, noise):
        kept = kept_of(schedule, s, t)
        return kept.sqrt() * x_s + (1 - kept).sqrt() * noise

    return wrong


def _own_noise(schedule, x_s, s, t, noise):
    return _jump(_root, _rest)(schedule, x_s, s, t, torch.randn_like(x_s))


def _steps(noise_of):
    """noise_further made step by step; noise_of gives each step's noise."""

    def wrong(schedule, x_s, s, t, noise):
        for step in range(s + 1, t + 1):
            x_s = schedule.alpha[step].sqrt() * x_s + schedule.beta[step].sqrt() * noise_of(noise)
        return x_s

    return wrong


def _in_place(schedule, x_s, s, t, noise):
    kept = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    x_s *= kept.sqrt()
    x_s += (1 - kept).sqrt() * noise
    return x_s


NOISE_FURTHER = [
    (_by_kept(lambda schedule, s, t: schedule.alpha_bar[t]),
     "That noises x_s as if it were the clean image. The s steps that it has behind it count twice: "
     "divide ᾱ_t by what they kept."),
    (_jump(_root, lambda before, after: (1 - after).sqrt()),
     "The image factor is right, the noise too strong: √(1 − ᾱ_t) is all the noise of steps 1 .. t, and x_s "
     "brings some of it along."),
    (_jump(_root, lambda before, after: (before - after).sqrt()),
     "1 − ᾱ_t minus 1 − ᾱ_s leaves out that the noise in x_s shrinks, too, by the same factor as the image. "
     "The two squared factors must add up to 1."),
    (_jump(_root, lambda before, after: 1 - after / before),
     "The noise is too weak: that is its variance. Did you forget the square root?"),
    (_jump(lambda before, after: after / before, _rest),
     "The image factor lacks its square root: ᾱ is a share of variance, and x_s is multiplied by a root."),
    (_jump(lambda before, after: 1.0, _rest),
     "x_s is not shrunk. With each step the variance would grow, and x_T would not be standard normal."),
    (_by_kept(lambda schedule, s, t: schedule.alpha[t] / schedule.alpha[s]),
     "α_t is what one step keeps. For all steps together take ᾱ, schedule.alpha_bar."),
    (_by_kept(lambda schedule, s, t: schedule.alpha[t]),
     "That is one single step, the last one. From s to t there are t − s steps."),
    (_by_kept(lambda schedule, s, t: schedule.alpha_bar[t] / schedule.alpha_bar[s - 1]),
     "Off by one: ᾱ_{s-1} stands where ᾱ_s belongs, so step s is made again. At s = 0 the index even wraps "
     "round to the end."),
    (_by_kept(lambda schedule, s, t: schedule.alpha_bar[t - s]),
     "ᾱ_{t-s} is the product of the first t − s steps. Those from s + 1 to t are other ones, and noisier."),
    (_by_kept(lambda schedule, s, t: schedule.alpha_bar[s] / schedule.alpha_bar[t]),
     "The result is not a number: there is a root of something negative. The share that the steps keep lies "
     "between 0 and 1. Is a fraction upside down, or a difference taken the wrong way round?"),
    (_by_kept(lambda schedule, s, t: schedule.alpha[s + 1 : t].prod()),
     "The product stops one step early: a slice leaves its end out. The steps s + 1 .. t are "
     "alpha[s + 1 : t + 1]."),
    (_by_kept(lambda schedule, s, t: schedule.alpha[s:t].prod()),
     "The product has the steps s .. t − 1. Step s is already made, and t is still to be: the slice is one "
     "too early."),
    (_by_kept(lambda schedule, s, t: schedule.alpha[s : t + 1].prod()),
     "Step s is made again: x_s has it behind it. The product begins at s + 1."),
    (_by_kept(lambda schedule, s, t: schedule.alpha_bar[s] - schedule.alpha_bar[t]),
     "Shares multiply: ᾱ_t is ᾱ_s times what the later steps keep. So divide, don't subtract."),
    (_jump(lambda before, after: after / before, lambda before, after: 1 - after / before),
     "ᾱ_t / ᾱ_s is the right share, but of the variance. Both factors lack their square root."),
    (_jump(lambda before, after: after.sqrt(), _rest),
     "The noise factor is right. But √ᾱ_t is what t steps leave of x_0, and x_s has already been shrunk by "
     "√ᾱ_s."),
    (_jump(_root, lambda before, after: (1 - after).sqrt() - (1 - before).sqrt()),
     "Deviations are not subtracted: variances add up, and the noise in x_s shrinks on the way. The two "
     "squared factors must add up to 1."),
    (_jump(_root, lambda before, after: 1 - (after / before).sqrt()),
     "The noise's factor is 1 − √kept. It is √(1 − kept): first subtract, then take the root."),
    (_jump(_rest, _root),
     "The two factors have changed places: the root of what is kept belongs to x_s."),
    (_steps(lambda noise: noise),
     "Each step adds the same noise again, so the noise piles up far too strongly. The steps' noises are "
     "independent, and together they make one noise, added once."),
    (_steps(torch.randn_like),
     "Step by step with fresh noise gives the right distribution. But one jump is asked for, with the noise "
     "that is given."),
    (_own_noise, "The result does not use the noise that it was given: it draws its own."),
    (_in_place, "x_s is overwritten, and the caller still needs it: work on new tensors."),
]  # fmt: skip

# --- added_noise ---------------------------------------------------------------------------------------


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
    (_double,
     "The values are right, but float32 images come back as float64: the schedule's numbers must first take "
     "the image's dtype, as per_image does."),
    (_overwritten, "x_t is overwritten, and the caller still needs it: work on new tensors."),
]  # fmt: skip
