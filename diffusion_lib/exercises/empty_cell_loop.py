"""Notebook 08, the training loop: what train_network must do, told from a small network and from hooks."""

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from .randomness import seeded

STEPS, COUNT, RATE = 200, 90, 4e-3
SAYS = {
    "list": "The list of losses is wanted, a number for each step",
    "graph": "The list holds tensors with their whole graph, which fills the memory: take loss.item().",
    "epochs": "num_steps counts batches: one step of Adam on one batch each. It is no number of epochs.",
    "mode": "The network is not in training mode while it trains: network.train() before the loop.",
    "eval": "The network is still in training mode afterwards. network.eval() at the end: BatchNorm would "
    "mix the images of a batch while you sample.",
    "batch": "Batches of 32 images are wanted",
    "still": "No weight has changed. Are loss.backward() and optimizer.step() both there?",
    "some": "Some weights never change: give the optimizer network.parameters(), all of them.",
    "same": "Each step sees the same images. Draw a new batch inside the loop.",
    "order": "The images come in the order in which they lie. Draw them at random.",
    "never": "Some images are never seen. Draw from all of them.",
    "labels": "The images and the labels do not belong together: pick both with the same index.",
    "noise": "Each step has the same noise: the generator is made or seeded inside the loop. Make it before.",
    "changed": "The images or labels are changed on the way.",
    "before": "optimizer.step() comes before loss.backward(), or without it: its gradient is not there yet.",
    "added": "The gradients of all steps add up: optimizer.zero_grad() belongs into each step.",
    "adam": "Adam is wanted, and this is",
    "rate": "The rate must begin at 4e-3, and its largest value was",
    "warm-up": "The warm-up is so long that 4e-3 is never reached: num_steps is 200 here. Give it a share of "
    "num_steps, such as a tenth.",
    "constant": "The optimizer's rate does not fall: is it written into optimizer.param_groups? It stays",
    "slowly": "The rate falls, but not to 0 in num_steps steps, which are 200 here, whatever they are "
    "elsewhere. It ends at",
    "copy": "No batch went through the network that was passed in: train that one, in place, and no copy.",
    "soon": "The rate is near 0 long before the end, so the last steps teach nothing.",
    "anew": "A new optimizer is made in each step, and forgets its averages: make it before the loop.",
    "losses": "The numbers in the list are not the losses of the steps, one by one.",
}


class _Recorder(nn.Module):
    """Writes down what it is shown. Its T is 1, with little noise, so that the pictures stay known."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 3, 1)
        self.b = nn.Linear(5, 3)
        self.heard, self.gradients = [], {}
        for name, p in self.named_parameters():
            p.register_hook(lambda g, name=name: self.gradients.__setitem__(name, g.clone()))

    def forward(self, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        out = self.a(x) + self.b(c)[:, :, None, None] + 0 * t.view(-1, 1, 1, 1)
        self.heard.append((x.detach().clone(), c.detach().clone(), self.training, out.detach().clone()))
        return out


def test_training(answer) -> str | None:
    """The first thing wrong with a function like train_network, in a sentence; None if there is nothing."""
    torch.manual_seed(0)
    generator, network, seen = seeded(9), _Recorder(), []
    images = torch.rand(COUNT, 3, 16, 16, generator=generator) * 2 - 1
    labels = torch.eye(5)[torch.arange(COUNT) * 5 // COUNT]
    bar = torch.tensor([1.0, 0.9999], dtype=torch.float64)
    before = images.clone(), labels.clone(), [p.detach().clone() for p in network.parameters()]

    def watch(optimizer, args, kwargs):
        own = [p for group in optimizer.param_groups for p in group["params"]]
        named = [(n, p) for n, p in network.named_parameters() if any(p is q for q in own)]
        added = all(p.grad is not None for _, p in named) and not all(
            _alike(p.grad, network.gradients.get(n)) for n, p in named
        )
        nothing = all(p.grad is None for _, p in named)
        kind, rate = type(optimizer).__name__, float(optimizer.param_groups[0]["lr"])
        seen.append((kind, rate, added, nothing, optimizer))

    network.eval()
    handle = register_optimizer_step_pre_hook(watch)
    try:
        losses = answer(network, images, labels, bar, STEPS)
    except RuntimeError as error:
        if "modified by an inplace" not in str(error):
            raise
        return SAYS["before"]
    finally:
        handle.remove()
    if losses is None:
        return None  # the frame says it
    moved = [not torch.equal(p, old) for p, old in zip(network.parameters(), before[2])]
    return (
        _wrong_list(losses, len(network.heard))
        or _wrong_batches(network.heard, images, labels, before)
        or (SAYS["still"] if not any(moved) and not (seen and seen[0][3]) else None)
        or _wrong_steps(seen)
        or (SAYS["some"] if not all(moved) else None)
        or _wrong_losses(losses, network.heard, images)
        or (SAYS["eval"] if network.training else None)
    )


def _alike(a: Tensor, b: Tensor | None) -> bool:
    """Whether two gradients have one direction; clipping makes them shorter."""
    return b is not None and bool(torch.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.999)


def _wrong_list(losses, asked: int) -> str | None:
    if isinstance(losses, (float, int)) or (isinstance(losses, Tensor) and losses.ndim == 0):
        return f"{SAYS['list']}. This is one number, the last loss: losses.append(...) in each step."
    try:
        values = list(losses)
        if any(isinstance(value, Tensor) and value.requires_grad for value in values):
            return SAYS["graph"]
        values = [float(value) for value in values]
    except (TypeError, ValueError):
        return f"{SAYS['list']}, got {type(losses).__name__}."
    if asked > 1.5 * STEPS:
        return f"{SAYS['epochs']} For num_steps = {STEPS} there were {asked} batches."
    if not asked and values:
        return SAYS["copy"]
    if len(values) != STEPS or asked != STEPS:
        return f"{SAYS['list']}: for num_steps = {STEPS} there were {asked} batches and {len(values)} losses."
    return None


def _wrong_batches(heard: list, images: Tensor, labels: Tensor, before: tuple) -> str | None:
    if not (torch.equal(images, before[0]) and torch.equal(labels, before[1])):
        return SAYS["changed"]
    if not all(training for _, _, training, _ in heard):
        return SAYS["mode"]
    sizes = [len(x) for x, *_ in heard]
    if max(sizes) != 32 or sizes.count(32) < STEPS / 2:
        return f"{SAYS['batch']}; here one has {max(sizes)}."
    which = [torch.cdist(x.flatten(1), images.flatten(1)).argmin(dim=1) for x, *_ in heard]
    if all(torch.equal(w, which[0]) for w in which):
        return SAYS["same"]
    if which[0].tolist() == list(range(32)):
        return SAYS["order"]
    if len(torch.cat(which).unique()) < COUNT:
        return SAYS["never"]
    for (_, c, _, _), w in zip(heard, which):
        told = c.any(dim=1)  # the others have lost their class, as they should
        if not torch.equal(c[told], labels[w][told]):
            return SAYS["labels"]
    noises = [(x - 0.9999**0.5 * images[w]) / 0.01 for (x, *_), w in zip(heard, which)]
    return SAYS["noise"] if (noises[0] - noises[1]).abs().max() < 0.05 else None


def _wrong_steps(seen: list) -> str | None:
    """What is wrong with the optimizer's steps. An Adam that somebody wrote by hand is not seen here."""
    if not seen:
        return None
    if seen[0][3]:
        return SAYS["before"]
    if "adam" not in seen[0][0].lower():
        return f"{SAYS['adam']} {seen[0][0]}."
    if len({id(step[-1]) for step in seen}) > 1:
        return SAYS["anew"]
    if any(added for _, _, added, _, _ in seen[1:]):
        return SAYS["added"]
    rates = [step[1] for step in seen]
    lowest = 0.6 if rates[0] < 0.5 * max(rates) else 0.95  # a warm-up may end when it falls already
    if rates.index(max(rates)) > STEPS / 4 and max(rates) < lowest * RATE:
        return SAYS["warm-up"]
    if not lowest * RATE <= max(rates) <= 1.05 * RATE:
        return f"{SAYS['rate']} {max(rates):.2g}. (A LambdaLR wants a factor, not the rate itself.)"
    if rates[-1] > 0.15 * RATE:
        return f"{SAYS['constant' if rates[-1] == max(rates) else 'slowly']} {rates[-1]:.2g}."
    return SAYS["soon"] if rates[STEPS // 2] < 0.1 * RATE else None


def _wrong_losses(losses, heard: list, images: Tensor) -> str | None:
    for value, (x, _, _, out) in zip(losses, heard):
        which = torch.cdist(x.flatten(1), images.flatten(1)).argmin(dim=1)
        noise = (x - 0.9999**0.5 * images[which]) / 0.01
        right = (out - noise).square().mean().item()
        if abs(float(value) - right) > 0.02 * right:
            return SAYS["losses"]
    return None
