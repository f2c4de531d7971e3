"""The wrong answers that people give to noise_further, lesson 02."""

import torch


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
     "Step t is missing: that is what the steps s + 1 .. t − 1 keep. It is ᾱ_t / ᾱ_s, or the product of "
     "alpha[s + 1 : t + 1]."),
    (_by_kept(lambda schedule, s, t: schedule.alpha_bar[t - 1] / schedule.alpha_bar[s - 1]),
     "Both places are one too early: the steps are then s .. t − 1. It is ᾱ_t / ᾱ_s."),
    (_jump(_root, lambda before, after: ((1 - after) / (1 - before)).sqrt()),
     "The noise's factor compares all the noise at t with all at s. What the steps between add is 1 minus "
     "what they keep."),
    (_jump(_root, lambda before, after: before - after),
     "The noise's factor is a difference of shares. It is √(1 − ᾱ_t / ᾱ_s): a ratio, and a root."),
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
