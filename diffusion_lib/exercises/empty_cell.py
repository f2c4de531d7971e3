"""The exercises of notebook 08: the whole system written by the learner, and one prediction."""

import inspect

from ..checks import ChoiceExercise, FunctionExercise, PropertyExercise
from . import empty_cell_ddim, empty_cell_ddpm, empty_cell_loop, empty_cell_network
from . import empty_cell_guided as guidance
from . import empty_cell_noising as noising
from . import empty_cell_training as training
from . import empty_cell_worked as worked
from .empty_cell_ddim_mistakes import DDIM
from .empty_cell_loop_mistakes import LOOPS
from .empty_cell_network_mistakes import MISTAKES as NETWORKS
from .empty_cell_training_mistakes import LOSSES


def _mine(name: str, *parts) -> str:
    """The worked text of these parts; the last is called as the learner's is."""
    text = "\n\n\n".join(inspect.getsource(part).strip() for part in parts)
    return text.replace(f"def {parts[-1].__name__}", f"def {name}").replace("class TinyUnet", f"class {name}")


make_alpha_bar = FunctionExercise(
    "empty_cell.make_alpha_bar",
    worked.make_alpha_bar,
    noising.alpha_bar_cases,
    tolerance=1e-7,
    mistakes=noising.BAR,
    solution=_mine("my_make_alpha_bar", worked.make_alpha_bar),
    right="Three schedules: T + 1 entries in float64, 1 at t = 0, and the product of all 1 − beta after it.",
    hints=(
        "torch.linspace makes beta for t = 1 .. T. torch.cumprod multiplies up what each step leaves.",
        "What a step leaves is 1 − beta. In front of the products belongs a 1 for t = 0: torch.cat.",
        "Give linspace dtype=torch.float64, and torch.ones(1, dtype=torch.float64) is the first entry.",
    ),
    difficulty=1,
    minutes=8,
)

noised = FunctionExercise(
    "empty_cell.noised",
    worked.noised,
    noising.noised_cases,
    mistakes=noising.NOISED,
    solution=_mine("my_noised", worked.noised),
    right="One image, five and sixteen, each with its own t, 0 and T among them, in float32.",
    hints=(
        "Two factors for each image, from alpha_bar[t]: one for the picture, one for the noise.",
        "alpha_bar[t] has the shape (batch,). view(-1, 1, 1, 1) makes it fit (batch, 3, 16, 16).",
        "alpha_bar is float64 and the images are float32: factor.to(x_0.dtype), once the roots are taken.",
    ),
    difficulty=2,
    minutes=8,
)

tiny_unet = PropertyExercise(
    "empty_cell.tiny_unet",
    worked.TinyUnet,
    empty_cell_network.test,
    mistakes=NETWORKS,
    solution=_mine("MyUnet", worked.block, worked.embedding, worked.TinyUnet),
    right="It takes any batch, one image too; heeds x, t and c, image by image, and c = 0; gives the same "
    "twice; sees across the picture, and a gradient reaches each of its weights.",
    hints=(
        "Begin with a helper for two convolutions (Conv2d 3 x 3 with padding=1, BatchNorm2d, GELU), and one "
        "for an embedding (Linear, GELU, Linear). Then forward is about ten lines.",
        "Down: block at 16 x 16, MaxPool2d(2), block at 8 x 8, MaxPool2d(2), block at 4 x 4. Up: "
        "ConvTranspose2d(..., 2, stride=2), torch.cat with the map of the same size, block; twice. Last a "
        "convolution to 3 channels.",
        "Before each way up: u = class_embedding(c) * u + time_embedding(t). The embeddings take (batch, 5) "
        "and (batch, 1): t.view(-1, 1). Their results need two more axes, [:, :, None, None].",
    ),
    difficulty=4,
    minutes=35,
)

training_loss = PropertyExercise(
    "empty_cell.training_loss",
    worked.training_loss,
    training.test_loss,
    mistakes=LOSSES,
    solution=_mine("my_training_loss", worked.training_loss),
    right="In 4,000 images: t from 1 to T, its noise in x_t, t / T for the network, a tenth without class, "
    "all from the generator, and the mean square.",
    hints=(
        "Three draws from the generator: torch.randint for t, torch.randn for the noise, torch.rand for "
        "which rows of c stay.",
        "keep = torch.rand(len(x_0), 1, generator=generator) >= 0.1, and c * keep zeroes the others. T is "
        "len(alpha_bar) - 1.",
        "x_t = noised(alpha_bar, x_0, t, noise); the network is asked with x_t, t / T and c * keep.",
    ),
    difficulty=3,
    minutes=12,
)

first_loss = ChoiceExercise(
    "empty_cell.first_loss",
    options={
        "a": "0: it has made no mistake yet",
        "b": "1: the variance of the noise",
        "c": "another one for each set of pictures: dark ones are harder",
        "d": "0.5: half of the time it is right",
    },
    answer="b",
    why={
        "a": "The loss compares with the noise, and the noise is not 0.",
        "c": "The answer is compared with the noise alone. Where it is 0, the pictures do not come in.",
        "d": "The loss is a mean of squares, not a share of right answers: of (0 − ε)², and ε is normal.",
    },
    right="The mean of (0 − ε)² is the variance of ε: 1, for any pictures. A loss that stays near 1 has "
    "learned nothing.",
    hints=(
        "Put 0 in the place of the prediction in eq. 14.",
        "What is left is the mean of ε². ε is standard normal.",
    ),
    difficulty=1,
    minutes=2,
)

train_network = PropertyExercise(
    "empty_cell.train_network",
    worked.train_network,
    empty_cell_loop.test_training,
    mistakes=LOOPS,
    solution=_mine("my_train_network", worked.train_network),
    right="Each step a batch of 32 with its labels, a fresh gradient and one step of Adam; a rate that falls "
    "from 4e-3 to about 0; training mode on the way, and eval mode after it.",
    hints=(
        "Before the loop: a generator, torch.optim.Adam, network.train(), an empty list. After it: "
        "network.eval().",
        "In the loop: one index of 32 for images and labels alike, the loss, zero_grad, backward, step.",
        'The rate of this step: optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / num_steps). A scheduler '
        "of torch.optim.lr_scheduler does it as well.",
    ),
    difficulty=3,
    minutes=12,
)

guided_noise = guidance.WithoutGradients(
    "empty_cell.guided_noise",
    worked.guided_noise,
    guidance.guided_cases,
    mistakes=guidance.GUIDED,
    solution=_mine("my_guided_noise", worked.guided_noise),
    right="Weights 0, 0.5, 1 and 2, two T, and no gradient is kept.",
    hints=(
        "Ask the network twice, with c and with zeros of the same shape. Then go from the one answer towards "
        "the other.",
        "The network wants a fraction for each image: torch.full((len(x),), t / T).",
        "without + weight * (with_class - without), all under torch.no_grad().",
    ),
    difficulty=2,
    minutes=6,
)

ddpm_sample = PropertyExercise(
    "empty_cell.ddpm_sample",
    worked.ddpm_sample,
    empty_cell_ddpm.test_ddpm,
    mistakes=empty_cell_ddpm.DDPM,
    solution=_mine("my_ddpm_sample", worked.ddpm_sample),
    right="Asked once at each t from T down to 1; the mean has its factors, the noise has its deviation, "
    "comes from the generator, and is missing at t = 1 alone.",
    hints=(
        "α_t is alpha_bar[t] / alpha_bar[t - 1], and β_t is 1 − α_t. The loop counts from T down to 1.",
        "x = (x − share · predicted) / √α_t, where share = β_t / √(1 − ᾱ_t).",
        "If t > 1, add √β_t times torch.randn(x.shape, generator=generator, dtype=x.dtype).",
    ),
    difficulty=3,
    minutes=12,
)

ddim_sample = PropertyExercise(
    "empty_cell.ddim_sample",
    worked.ddim_sample,
    empty_cell_ddim.test_ddim,
    mistakes=DDIM,
    solution=_mine("my_ddim_sample", worked.ddim_sample),
    right="num_steps that divide T and that do not, 1 and T among them; each step guesses, clips, and noises "
    "again, and nothing is drawn on the way.",
    hints=(
        "The times: round(T * (num_steps - i) / num_steps) for i = 0 .. num_steps. A step goes from one to "
        "the next.",
        "Guess: clean = ((x − √(1 − ᾱ_t) · predicted) / √ᾱ_t).clamp(-1, 1).",
        "The noise that belongs to it is (x − √ᾱ_t · clean) / √(1 − ᾱ_t). The next x is √ᾱ_next · clean + "
        "√(1 − ᾱ_next) · noise.",
    ),
    difficulty=4,
    minutes=15,
)
