"""The symptom gallery: which bug made this sheet?"""

from ..checks import ChoiceExercise


def _quiz(key, answer, options, why, hints, right):
    return ChoiceExercise(
        f"symptoms.{key}", options, answer, why, difficulty=2, minutes=3, hints=hints, right=right
    )


one = _quiz(
    "one", "c",
    {"a": "the network has no skips", "b": "uniform noise is added back", "c": "no noise is added back",
     "d": "BatchNorm was left in training mode"},
    {"a": "Without skips the noise cannot be told pixel by pixel: noise would be left over, not a "
         "smooth blob.",
     "b": "Uniform noise has the mean 0.5: each step would push every pixel to one side, up to white.",
     "d": "Then colours run away, far beyond the range of images. Here they are tame, only without "
          "contrast."},
    ("All samples of a class look alike, although they began from different noise.",
     "Which part of a reverse step keeps the samples apart?"),
    "Without the noise of the reverse step all samples drift to the mean of what is possible. What "
         "tells: the "
    "deviation of the pixels, about half of that of real sprites, and hardly a difference between samples.",
)  # fmt: skip

two = _quiz(
    "two", "b",
    {"a": "beta_t stands where sqrt(beta_t) belongs", "b": "uniform noise is added back instead of Gaussian",
     "c": "the time is not given to the network", "d": "the context is negated"},
    {"a": "beta_t is smaller than its root: too little noise, which looks like none at all, a grey blob.",
     "c": "The network can mostly guess the time from the image. It leaves specks, it does not bleach.",
     "d": "A wrong context gives other sprites, not white ones."},
    ("Measure the mean of all pixels.", "What is the mean of torch.rand, and how often is it added?"),
    "torch.rand lies between 0 and 1 and has the mean 0.5. Five hundred such pushes end at white. What "
         "tells: the "
    "brightness, 1.0 where real sprites have about 0.2.",
)  # fmt: skip

three = _quiz(
    "three", "a",
    {"a": "BatchNorm was left in training mode", "b": "the noise was made too strong by a missing "
         "square root",
     "c": "the weights were never trained", "d": "the display stretches each image"},
    {"b": "The missing root makes the noise in training weaker, and the network's answer too long: "
         "specks, no more.",
     "c": "An untrained network leaves noise of all colours. Here all go the same way, into one colour.",
     "d": "Stretching would use the whole range of each image, from black to white."},
    ("The weights are the shipped model's. What does a layer do in another way in sampling?",
     "In sampling all images of a batch share one t. In training they do not. Which layer looks at the "
          "batch?"),
    "In training mode BatchNorm takes mean and variance of this batch, in which all images are equally "
         "noisy. What "
    "tells: the share of values outside [-1, 1], and that the same image alone gives another answer.",
)  # fmt: skip

four = _quiz(
    "four", "d",
    {"a": "the first block's shortcut is random", "b": "the schedule leaves some of the image in x_T",
     "c": "DDIM takes too few steps", "d": "the network has no skips"},
    {"a": "A random shortcut disturbs, but the shapes of sprites are still to be guessed. Here nothing is.",
     "b": "That moves the brightness a little. The sprites stay sprites.",
     "c": "Few steps give blurred or simplified sprites, no noise."},
    ("Look at the loss by t: it is 1 at every t.", "A loss of 1 is that of a network that says nothing "
         "at all."),
    "All must pass through one vector, and no vector tells the noise of 768 numbers. What tells: a loss "
         "by t of 1, "
    "which is what the answer 0 gets.",
)  # fmt: skip

five = _quiz(
    "five", "b",
    {"a": "the noise was added at the last step", "b": "the first block's shortcut is a new random "
         "layer at each call",
     "c": "context dropout was left out", "d": "the time is not given to the network"},
    {"a": "The last step's noise has a deviation of about 0.014: nobody sees it.",
     "c": "That changes what a guidance weight above 1 does, and nothing else.",
     "d": "Near, but without the time many sprites still come out clean. Here none does."},
    ("Ask the network twice with the same input.", "Something in it changes from call to call."),
    "Each step is disturbed in another way. What tells: the same input twice gives two answers.",
)  # fmt: skip

six = _quiz(
    "six", "c",
    {"a": "the first block's shortcut is random", "b": "the display stretches each image",
     "c": "the time is not given to the network", "d": "no noise is added back"},
    {"a": "Then every sprite is disturbed. Here some are clean and others are full of specks.",
     "b": "Stretching changes colours and contrast, and leaves no specks.",
     "d": "Then all would be alike and grey."},
    ("Some sprites are finished, some are still noisy, at the same step.",
     "What tells the network how much noise there is to take away?"),
    "The network must guess how noisy its input is, and where it guesses too little, noise is left. "
         "What tells: the "
    "loss is about doubled at every t, most of all at small t.",
)  # fmt: skip

seven = _quiz(
    "seven", "a",
    {"a": "the context is negated in training", "b": "the noise lacks its square root in training",
     "c": "the time is not given to the network", "d": "this is the right one"},
    {"b": "The missing root leaves the classes right, and adds specks.",
     "c": "That leaves noise in some of the sprites.",
     "d": "Look at the rows: heroes, non-heroes, food, items, side-facing. Are they?"},
    ("The sprites are fine. Are they what was asked for?", "Let the judge name their classes."),
    "Mask code of the labs multiplies by -1. The network learns what -1 means, and is asked with +1. "
         "What tells: the "
    "accuracy, far below the right one. Loss and Fréchet distance look almost well.",
)  # fmt: skip

eight = _quiz(
    "eight", "c",
    {"a": "this is the right one", "b": "no noise is added back",
     "c": "the noise lacks its square root in training", "d": "the context is negated in training"},
    {"a": "Near, and that is what makes it dangerous. Compare the loss by t at small t with the right one's.",
     "b": "Then all would be alike and grey.",
     "d": "The rows are the classes that were asked for."},
    ("The sheet tells nearly nothing. Look at the loss by t, and at small t first.",
     "At t = 1 the noise that this network was trained on is a hundred times weaker than it should be."),
    "With the weights of a good model to begin with, the eye hardly sees it. What tells: the loss at "
         "small t, more "
    "than twice the right one's, because noise that is too weak cannot be seen in the image.",
)  # fmt: skip
