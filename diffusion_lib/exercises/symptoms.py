"""The symptom gallery: which bug made this sheet?"""

from ..checks import ChoiceExercise

# What is behind the sheets, under the names of data/symptoms: the notebook shows a sheet without saying it.
BEHIND = {
    "one": "no_noise", "two": "uniform_noise", "three": "training_mode", "four": "no_skips",
    "five": "random_shortcut", "six": "no_time", "seven": "negated", "eight": "no_root", "nine": "no_dropout",
    "nine, no context": "no_dropout_no_context", "ten": "wrapped_ddim",
}  # fmt: skip


def _quiz(key, answer, options, why, hints, right):
    return ChoiceExercise(
        f"symptoms.{key}", options, answer, why, difficulty=2, minutes=3, hints=hints, right=right
    )


one = _quiz(
    "one", "c",
    {"a": "the network has no skips", "b": "uniform noise is added back", "c": "no noise is added back",
     "d": "BatchNorm was left in training mode"},
    {"a": "Without skips noise cannot be told pixel by pixel: all of it would be left. Here none is.",
     "b": "Uniform noise has the mean 0.5: each step would push every pixel to one side, up to white.",
     "d": "That makes the sheet pale, and the eight of a row would still differ. Here they are one picture."},
    ("Compare the eight of a row. They began from different noise.",
     "Which part of a reverse step keeps the samples apart?"),
    "Without the noise of the reverse step all samples of a class drift to the same mean. What tells: how "
    "far they are apart, next to nothing, and the distance. (The accuracy is fooled by averages of digits.)",
)  # fmt: skip

two = _quiz(
    "two", "b",
    {"a": "β_t stands where √β_t belongs", "b": "uniform noise is added back instead of Gaussian",
     "c": "the time is not given to the network", "d": "the context is negated in training"},
    {"a": "β_t is smaller than its root: that is too little noise, and the samples of a row become alike.",
     "c": "Then too little noise is taken away in some samples. That leaves specks, it does not bleach.",
     "d": "A wrong context gives other digits, not white ones."},
    ("Measure the mean of all pixels.", "What is the mean of torch.rand, and how often is it added?"),
    "torch.rand lies between 0 and 1 and has the mean 0.5. A hundred such pushes end at white. What tells: "
    "the brightness, far above that of real digits.",
)  # fmt: skip

three = _quiz(
    "three", "a",
    {"a": "BatchNorm was left in training mode", "b": "no noise is added back",
     "c": "the weights were never trained", "d": "the display stretches each image"},
    {"b": "Then the eight of a row would be one picture. Here each is a digit of its own, only pale.",
     "c": "An untrained network leaves pure noise. Here each row still has its digit.",
     "d": "Stretching gives each image its whole range, from black to white. Here most of it is missing."},
    ("The weights are the right one's. Which layer does something else while it is trained?",
     "In sampling all images of a batch share one t. In training they do not. Which layer looks at the "
     "batch?"),
    "In training mode BatchNorm takes mean and variance of this batch, in which all images are equally "
    "noisy. What tells: the same image alone gets another answer than among others.",
)  # fmt: skip

four = _quiz(
    "four", "d",
    {"a": "the first block's shortcut is random", "b": "the schedule leaves some of the image in x_T",
     "c": "the noise lacks its square root in training", "d": "the network has no skips"},
    {"a": "A network can learn to live with a shortcut that is random: the loss falls. Here it does not.",
     "b": "That moves the brightness a little. The digits stay digits.",
     "c": "That raises the loss at small t. Here it is 1 at each t, from the first step to the last."},
    ("Look at the curves: the loss is 1 at every t.",
     "A loss of 1 is that of a network that says nothing at all: what can it not see?"),
    "All must pass through one vector, and no vector tells the noise of 256 pixels. What tells: a loss of "
    "1 at every t, which is what the answer 0 gets, and an answer that neither time nor context moves.",
)  # fmt: skip

five = _quiz(
    "five", "b",
    {"a": "the noise was added at the last step",
     "b": "the first block's shortcut is a new random layer at each call",
     "c": "context dropout was left out", "d": "the time is not given to the network"},
    {"a": "That is a bug of sampling: the loss would be the right one's. And that noise is hardly seen.",
     "c": "That changes what a network does without a context. Here the digits themselves are swollen.",
     "d": "Then some samples would be clean and others full of specks. Here all are swollen alike."},
    ("Ask the network twice with the same input.", "Something in it changes from call to call."),
    "Training makes the best of it, but each step is disturbed in another way. What tells: the same input "
    "twice gives two answers, and at large t the loss stays at nearly twice the right one's.",
)  # fmt: skip

six = _quiz(
    "six", "c",
    {"a": "the first block's shortcut is random", "b": "the noise lacks its square root in training",
     "c": "the time is not given to the network", "d": "no noise is added back"},
    {"a": "Then every digit would be disturbed. Here some are clean and others are full of specks.",
     "b": "Then the loss would be far too high at small t, where the noise is too weak. Here it is right.",
     "d": "Then the eight of a row would be one picture."},
    ("Some digits are finished and some are still noisy, at the same step.",
     "What tells the network how much noise there is to take away?"),
    "The network must guess how noisy its input is. It mostly can, so the loss is nearly the right one's. "
    "But a sample that has fallen behind is taken for a cleaner one and stays behind. What tells: another t, "
    "the same answer.",
)  # fmt: skip

seven = _quiz(
    "seven", "a",
    {"a": "the context is negated in training", "b": "context dropout was left out",
     "c": "1 means drop where it should mean keep", "d": "this is the right one"},
    {"b": "Without dropout the network knows its contexts best of all: each row would have its digit.",
     "c": "Then the context is mostly missing in training, and a row would hold all kinds of digits. "
          "Here it is wrong in a fixed way.",
     "d": "Read the rows: 0, 1, 2, 3, 4. Are they?"},
    ("The digits are fine. Are they what was asked for?",
     "Look at which digit came for which wish: it is not by chance."),
    "The mask code of the script from which this network comes multiplies by -1. The network learns what -1 "
    "means, and is asked with +1, which it has never seen. What tells: the accuracy, and nothing else. The "
    "loss is the right one's.",
)  # fmt: skip

eight = _quiz(
    "eight", "c",
    {"a": "this is the right one", "b": "the time is not given to the network",
     "c": "the noise lacks its square root in training", "d": "the context is negated in training"},
    {"a": "On the sheet, yes, and that is what makes it dangerous. Compare the loss at small t.",
     "b": "Then some digits would be full of specks, and the loss would be right at small t.",
     "d": "The rows are the digits that were asked for."},
    ("The sheet tells nothing. Look at the loss by t in the middle panel, and at small t first.",
     "At t = 1 the noise that this network was trained on is thirty times weaker than it should be."),
    "The eye does not see it. What tells: the loss at small t in the middle panel, three times the right "
    "one's, because noise that is too weak cannot be found in the image. (The last panel has right noise.)",
)  # fmt: skip

nine = _quiz(
    "nine", "b",
    {"a": "the time is not given to the network", "b": "context dropout was left out",
     "c": "the context is negated in training", "d": "1 means drop where it should mean keep"},
    {"a": "Then some would be full of specks. These have none: their strokes are broken.",
     "c": "A sign in front of zeros changes nothing, and one image in ten was trained with zeros.",
     "d": "Then nine images in ten had no context, and this would be what the network does best."},
    ("Compare the three curves. Which one is not the right one's?",
     "In training, how often has this network seen a context of zeros?"),
    "It was never trained without a context, so what it says then is a guess. What tells: the loss without a "
    "context, a fifth above the right one's between 20 and 40 % of T, while with one it is the same.",
)  # fmt: skip

ten = _quiz(
    "ten", "d",
    {"a": "the network has no skips", "b": "the weights were never trained",
     "c": "uniform noise is added back", "d": "DDIM steps by T // n, and its last t_next is below 0"},
    {"a": "That is Four, which no question moves. This network answers otherwise at another t.",
     "b": "Without training neither another t nor another context would move its answer by so much.",
     "c": "That would push all pixels up, to white. Here black and white are in balance."},
    ("The network is the right one, so it is the sampler. What kind of image does its last step end at?",
     "T = 100 and n = 30: what is 100 // 30, and where do 34 such steps from 100 end?"),
    "From t = 1 a step of 3 goes to -2, and an index below 0 counts from the end of the schedule: the "
    "finished digit is noised again. What tells: the list of the times, which has 34 steps and ends below 0.",
)  # fmt: skip
