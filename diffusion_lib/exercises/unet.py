"""The exercises of lesson 01: shapes, the scale without a context, what pooling sees, counting."""

from ..checks import ChoiceExercise, FunctionExercise, Mistake, NumberExercise
from .shortcut import mended_shortcut  # noqa: F401  one of this lesson's, in a file of its own

shape_of_d2 = ChoiceExercise(
    "unet.shape_of_d2",
    options={
        "a": "(32, 256, 7, 7), with the channels of the widely copied comment",
        "b": "(32, 128, 7, 7)",
        "c": "(32, 64, 7, 7)",
        "d": "(32, 128, 14, 14)",
    },
    answer="b",
    why={
        "a": "That comment is wrong, or was right for another width: down2 ends with 2 * n_feat channels, "
        "and n_feat is 64. A comment is not run, so nobody is told when it stops being true.",
        "c": "The height is right. But down2 is UnetDown(n_feat, 2 * n_feat): where the map gets smaller, "
        "the channels are doubled.",
        "d": "The channels are right. But two blocks have halved the map by then, to 14 and to 7.",
    },
    difficulty=1,
    minutes=2,
    hints=(
        "Follow the map in the diagram: how often has it been halved when it leaves down2?",
        "n_feat is 64, and down2 is UnetDown(n_feat, 2 * n_feat). Two halvings make 28 a 7.",
    ),
    right="Two halvings make 28 a 7, and down2 doubles the 64 channels. The widely copied comment says 256.",
)

scale_without_context = ChoiceExercise(
    "unet.scale_without_context",
    options={
        "a": "0 in every channel: the product erases the map",
        "b": "1 in every channel: the map passes as it is",
        "c": "some other numbers, a different one in each channel",
    },
    answer="c",
    why={
        "a": "It would be 0 if the embedding were a product of c and a matrix alone. But its two Linear "
        "layers have biases, and what comes out at c = 0 was trained like everything else.",
        "b": "That would be natural, and some networks do multiply by 1 + scale to have it. This one has "
        "nothing that would make it 1.",
    },
    difficulty=2,
    minutes=2,
    hints=(
        "What does nn.Linear(5, 64) give for a row of zeros?",
        "Its bias. GELU and a second Linear, with a bias of its own, follow.",
    ),
    right="The biases of the two Linear layers remain. In training one context in ten was zeroed, so these "
    "numbers have been learned: they are what the network does when it is told nothing.",
)

places_seen = NumberExercise(
    "unet.places_seen",
    16,
    tolerance=1e-6,
    difficulty=2,
    minutes=3,
    hints=(
        "The window is 4 x 4, and its stride is 4 as well. How many whole windows fit into 7 x 7?",
        "One. The places beyond it belong to no whole window, so they are dropped.",
    ),
    solution="16: one window of 4 x 4 fits into 7 x 7. The other 33 places, two thirds, are dropped.",
    right="One window of 4 x 4 fits, and 33 of the 49 places, two thirds of the map, never reach the vector.",
    mistakes=(
        Mistake(
            49, "49 would be all of them. A second window would need the columns 4 to 7, and 7 is not there."
        ),
        Mistake(1, "One window, right. The question is how many places it holds."),
        Mistake(4, "AvgPool2d(4) is a window of 4 x 4, not of 4 places."),
        Mistake(64, "64 would be four windows, but the second would need 8 columns, and there are 7."),
        Mistake(33, "33 are dropped. How many are left?"),
        Mistake(25, "That is a window of 5 x 5. AvgPool2d(4) has one of 4 x 4."),
    ),
)


def count_parameters_of_up(in_channels: int, out_channels: int) -> int:
    """All trainable numbers of UnetUp(in_channels, out_channels), by arithmetic."""
    transposed = in_channels * out_channels * 2 * 2 + out_channels
    convolution = out_channels * out_channels * 3 * 3 + out_channels
    batch_norm = 2 * out_channels  # one weight and one bias a channel
    return transposed + 4 * (convolution + batch_norm)  # two blocks of two


def _count(transposed=4, bias=1, norm=2, convs=4, kernel=9, entrance=None, up_bias=None, extra=0):
    """A wrong count: the terms of the formula, changed."""

    def answer(in_channels: int, out_channels: int) -> int:
        up = in_channels * out_channels * transposed + (bias if up_bias is None else up_bias) * out_channels
        first = (in_channels if entrance == "in" else out_channels) * out_channels * kernel
        others = (convs - 1) * out_channels * out_channels * kernel
        return up + first + others + convs * (bias + norm) * out_channels + extra * out_channels

    return answer


count_up = FunctionExercise(
    "unet.count_up",
    count_parameters_of_up,
    lambda: [
        {"in_channels": 256, "out_channels": 64},
        {"in_channels": 128, "out_channels": 64},
        {"in_channels": 1024, "out_channels": 256},
        {"in_channels": 16, "out_channels": 16},
        {"in_channels": 1, "out_channels": 3},
    ],
    tolerance=1e-9,
    difficulty=2,
    minutes=8,
    hints=(
        "Write the layers down: one ConvTranspose2d, then four times Conv2d and BatchNorm2d. GELU has none.",
        "A convolution has in * out * height * width weights of its kernel, and a bias for each output "
        "channel. BatchNorm has a weight and a bias for each channel.",
        "ConvTranspose2d: in * out * 4 + out. Each Conv2d: out * out * 9 + out. Each BatchNorm2d: 2 * out.",
    ),
    right="Compared with five sizes, among them up1 and up2 of this lesson and of the labs.",
    mistakes=(
        Mistake(_count(bias=0), "Too few: the convolutions have a bias for each of their output channels."),
        Mistake(
            _count(up_bias=0),
            "Too few, by out_channels: ConvTranspose2d has a bias for each output channel, too.",
        ),
        Mistake(
            _count(bias=0, norm=0),
            "Too few: those are the weights of the kernels alone. Each of the five convolutions has biases, "
            "too, and each BatchNorm2d has a weight and a bias for each channel.",
        ),
        Mistake(_count(norm=0), "Too few: each BatchNorm2d has a weight and a bias for each channel."),
        Mistake(
            _count(norm=1),
            "Too few, by 4 * out_channels: either the four Conv2d lack their biases, or the four BatchNorm2d "
            "one of their two numbers a channel.",
        ),
        Mistake(
            _count(norm=4),
            "Too many: BatchNorm's running mean and variance are buffers. They are saved, but not trained, "
            "and parameters() leaves them out.",
        ),
        Mistake(
            _count(convs=2, norm=0),
            "Too few: there are two ResidualConvBlocks with two convolutions each, so four, and a "
            "BatchNorm2d follows each of them.",
        ),
        Mistake(
            lambda in_channels, out_channels: (
                _count()(in_channels, out_channels) - out_channels + in_channels
            ),
            "The bias of ConvTranspose2d has a number for each channel that comes out, not that goes in.",
        ),
        Mistake(
            _count(bias=0, norm=0, up_bias=1),
            "Too few: the bias of ConvTranspose2d is there. Each Conv2d has one, too, and each BatchNorm2d a "
            "weight and a bias for each channel.",
        ),
        Mistake(
            _count(norm=0, up_bias=0),
            "Too few: ConvTranspose2d has a bias for each output channel, and each BatchNorm2d a weight and "
            "a bias.",
        ),
        Mistake(
            lambda in_channels, out_channels: _count(norm=0)(in_channels, out_channels) + 8,
            "BatchNorm2d has a weight and a bias for each channel, not two numbers in all.",
        ),
        Mistake(
            lambda in_channels, out_channels: _count(norm=4)(in_channels, out_channels) + 4,
            "That is all of state_dict(): BatchNorm's averages and its counter are saved, not trained.",
        ),
        Mistake(
            _count(convs=2),
            "Too few: there are two ResidualConvBlocks, and each holds two convolutions, so four.",
        ),
        Mistake(
            _count(transposed=0, up_bias=0), "Too few: the transposed convolution at the entrance is missing."
        ),
        Mistake(
            _count(transposed=8),
            "Too many: in_channels already counts map and skip together. It is not doubled once more.",
        ),
        Mistake(
            _count(extra=2),
            "Too many: no BatchNorm follows the transposed convolution, so there are four of them.",
        ),
        Mistake(_count(transposed=2), "Too few: a 2 x 2 kernel has four places, not two."),
        Mistake(_count(transposed=9), "Too many: the transposed convolution's kernel is 2 x 2, not 3 x 3."),
        Mistake(
            _count(transposed=1), "Too few: the transposed convolution's kernel has 2 x 2 places, not one."
        ),
        Mistake(_count(kernel=3), "Too few: a 3 x 3 kernel has nine places, not three."),
        Mistake(
            _count(entrance="in"),
            "Too many: the first convolution gets what the transposed one gives, which has out_channels.",
        ),
    ),
)
