"""What people write instead of the learning rate's factor and of an honest display, in lesson 03."""

from ..checks import Mistake


def stretch(images, dim, eps=0.0):
    """The faulty helper: subtracts the smallest value along dim and divides by the range."""
    low, high = images.amin(dim, keepdim=True), images.amax(dim, keepdim=True)
    return (images - low) / (high - low + eps)


def _in_place(images):
    return images.add_(1).div_(2).clamp_(0, 1)


RATE = [
    Mistake(
        lambda step, num_steps, warmup_steps: min(step / max(warmup_steps, 1), 1.0) * (1 - step / num_steps),
        "The first step has a rate of 0 and teaches nothing: the warm-up should give 1 / warmup_steps "
        "at step 0, so (step + 1) / warmup_steps.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            min((step + 1) / max(warmup_steps, 1), 1.0) * (1 - step // num_steps)
        ),
        "step // num_steps is 0 until the very end, so the rate never falls: divide with /.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            max((step + 1) / max(warmup_steps, 1), 1.0) * (1 - step / num_steps)
        ),
        "The warm-up goes on climbing above 1: it must stop there, which is min, not max.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: 1 - step / num_steps,
        "The fall is right; the warm-up is missing: the first steps are taken at almost the full rate.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: min((step + 1) / max(warmup_steps, 1), 1.0),
        "The warm-up is right; the fall is missing: after it the rate stays at 1.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            min((step + 1) / max(warmup_steps, 1), 1.0) * (1 - step / max(num_steps - 1, 1))
        ),
        "The rate is 0 at the last step already, so that step is wasted: the line should meet 0 one "
        "step later, at step = num_steps.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: min((step + 1) / max(warmup_steps, 1), 1 - step / num_steps),
        "That is the smaller of warm-up and fall. Their product is wanted.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            (step + 1) / warmup_steps if step < warmup_steps else 1 - step / num_steps
        ),
        "The fall begins only when the warm-up is over. Both factors count at every step: multiply them.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            step / warmup_steps if step < warmup_steps else 1 - step / num_steps
        ),
        "The first rate is 0, and the fall begins only after the warm-up. Two factors are wanted, "
        "multiplied at every step; the first is 1 / warmup_steps at step 0.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            min((step + 1) / max(warmup_steps, 1), 1.0) + (1 - step / num_steps)
        ),
        "That is the sum of warm-up and fall. Their product is wanted.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (step + 1) / max(warmup_steps, 1) * (1 - step / num_steps),
        "Nothing holds the warm-up at 1: it goes on climbing after warmup_steps. Use min(..., 1.0).",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            min((step + 1) // max(warmup_steps, 1), 1) * (1 - step / num_steps)
        ),
        "(step + 1) // warmup_steps is 0 during the whole warm-up: divide with /.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            min((step + 1) / max(warmup_steps, 1), 1.0) * (1 - (step + 1) / num_steps)
        ),
        "The fall is one step ahead: it is 1 at step 0, and 0 only at step = num_steps.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: min(step / warmup_steps, 1.0) * (1 - step / num_steps),
        "Two things: the first rate is 0, where 1 / warmup_steps is wanted, and with warmup_steps = 0 it "
        "divides by 0.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            min((1 + step * (1 - 1 / max(warmup_steps, 1))) / max(warmup_steps, 1), 1.0)
            * (1 - step / num_steps)
        ),
        "The warm-up reaches 1 a step late: it should be 1 at step warmup_steps - 1 already, so "
        "(step + 1) / warmup_steps.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            min((step + 1) / max(warmup_steps, 1), 1.0)
            * min((num_steps - step) / max(num_steps - warmup_steps, 1), 1.0)
        ),
        "The line falls from the end of the warm-up. Here it falls from step 0 on: 1 - step / num_steps.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: min((step + 1) / warmup_steps, 1.0) * (1 - step / num_steps),
        "All is right but one case: with warmup_steps = 0 it divides by 0. Use max(warmup_steps, 1).",
    ),
]

RATE += [
    Mistake(
        lambda step, num_steps, warmup_steps: (
            (step / warmup_steps if step < warmup_steps else 1) * (1 - step / num_steps)
        ),
        "The first rate is 0 and teaches nothing. The warm-up begins at 1 / warmup_steps: step + "
        "1, not step.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            ((step + 1) / max(warmup_steps, 1) if step <= warmup_steps else 1) * (1 - step / num_steps)
        ),
        "At step = warmup_steps the warm-up is above 1: it has reached 1 one step before. Write <, or min.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            min((step + 1) / (warmup_steps + 1), 1.0) * (1 - step / num_steps)
        ),
        "The warm-up reaches 1 one step late: (step + 1) / warmup_steps is 1 at step warmup_steps - 1.",
    ),
    Mistake(
        lambda step, num_steps, warmup_steps: (
            1.0 if warmup_steps == 0 else min((step + 1) / warmup_steps, 1.0) * (1 - step / num_steps)
        ),
        "Without a warm-up the rate does not fall: only the first factor is 1 then.",
    ),
]

PICTURE = [
    Mistake(
        lambda images: (images + 1 / 2).clamp(0, 1),
        "Brackets are missing: this adds a half. Add 1, then halve: (images + 1) / 2.",
    ),
    Mistake(
        lambda images: ((images + 1) / 2).clamp(-1, 1),
        "It is clipped to -1 .. 1, where images are when they come. Here they run from 0 to 1 already.",
    ),
    Mistake(
        lambda images: stretch(images.clamp(-1, 1), (2, 3)),
        "Clipped, and then each channel of each image is still stretched over its own range.",
    ),
    Mistake(
        lambda images: stretch(images, (2, 3)),
        "Each channel of each image is still stretched over its own range: colours shift, range errors "
        "are hidden, and the constant image became NaN. Use the same two numbers for all.",
    ),
    Mistake(
        lambda images: stretch(images, (1, 2, 3)),
        "Each image is still stretched over its own range. The colours keep their balance, but the "
        "brightness is still lost, and a constant image is still NaN.",
    ),
    Mistake(
        lambda images: stretch(images, (0, 1, 2, 3)),
        "One range for the whole batch: an image then looks different beside other images. The range "
        "is known beforehand: -1 to 1.",
    ),
    Mistake(
        lambda images: stretch(images.clamp(-1, 1), (0, 1, 2, 3)),
        "Clipped, and then still stretched from the smallest to the largest value that is there. The "
        "range is known beforehand: -1 to 1.",
    ),
    Mistake(
        lambda images: stretch(images, (2, 3), eps=1e-8),
        "The NaN of a constant image is hidden, but each channel is still stretched over its own range.",
    ),
    Mistake(
        lambda images: (images + 1) / 2,
        "Nearly: values beyond -1 and 1 must be clipped, since a display takes 0 to 1 only.",
    ),
    Mistake(
        lambda images: images.clamp(0, 1),
        "Clipped but not shifted: all of the darker half, -1 to 0, is now black.",
    ),
    Mistake(
        lambda images: (images / 2 + 1).clamp(0, 1),
        "-1 should become 0, and here it becomes 0.5: add 1 first, then halve.",
    ),
    Mistake(
        lambda images: (images.clamp(0, 1) + 1) / 2,
        "Clipped too early: there the images still run from -1 to 1, and the darker half is lost.",
    ),
    Mistake(
        lambda images: images.clamp(-1, 1),
        "Clipped, but still from -1 to 1: a display takes 0 to 1.",
    ),
    Mistake(
        lambda images: (images + 1).clamp(0, 1),
        "0 to 2 is twice the range of a display, and the brighter half is cut off: halve it before you clip.",
    ),
    Mistake(
        lambda images: (images / 2).clamp(0, 1),
        "Halved but not shifted: all of the darker half, -1 to 0, is black. Add 1 before you halve.",
    ),
    Mistake(
        lambda images: ((images + 1) * 127.5).clamp(0, 255),
        "That is the range 0 to 255; 0 to 1 is wanted here.",
    ),
    Mistake(_in_place, "The images are overwritten: whoever goes on sampling from them has other ones now."),
]
