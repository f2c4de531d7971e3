"""Notebook 08, the training loop: what people write, and what the check says to them."""

import copy

import torch

from ..checks import Mistake
from .empty_cell_loop import SAYS
from .empty_cell_worked import train_network, training_loss


def _loop(
    rate=lambda step, n: 4e-3 * (1 - step / n), make=torch.optim.Adam, batch=32, zero=True, first=lambda n: n,
    pick=lambda images, generator, size: torch.randint(len(images), (size,), generator=generator),
    of_labels=lambda chosen: chosen, mode=True, after=False, keep=lambda loss: loss.item(), own=lambda g: g,
    parts=lambda network: network.parameters(), backward=True, early=False, anew=False,
    number=lambda losses: losses,
):  # fmt: skip
    """train_network with another rate, optimizer, batch, mode, or with a line left out."""

    def wrong(network, images, labels, alpha_bar, num_steps):
        generator, losses = torch.Generator().manual_seed(0), []
        optimizer = make(parts(network), lr=rate(0, num_steps))
        network.train(mode)
        for step in range(first(num_steps)):
            optimizer.param_groups[0]["lr"] = rate(step, num_steps)
            if anew:
                optimizer = make(parts(network), lr=rate(step, num_steps))
            chosen = pick(images, generator, batch)
            loss = training_loss(
                network, alpha_bar, images[chosen], labels[of_labels(chosen)], own(generator)
            )
            if early:
                optimizer.step()
            if zero:
                optimizer.zero_grad()
            if backward:
                loss.backward()
            if not early:
                optimizer.step()
            losses.append(keep(loss))
        network.train(after)
        return number(losses)

    return wrong


def _in_order(images, generator, size):
    _in_order.place = getattr(_in_order, "place", 0)
    return torch.arange(size) + torch.randint(2, (1,), generator=generator) * (len(images) - size)


def _a_copy(network, *more):
    return train_network(copy.deepcopy(network), *more)


def _rescaled(network, images, labels, alpha_bar, num_steps):
    images /= 2
    return train_network(network, images, labels, alpha_bar, num_steps)


LOOPS = [
    Mistake(_loop(number=lambda losses: losses[-1]), SAYS["list"] + ". This is one number"),
    Mistake(_loop(number=lambda losses: losses[::2]), "batches and 100 losses"),
    Mistake(_loop(keep=lambda loss: loss), SAYS["graph"]),
    Mistake(_loop(first=lambda n: 3 * n), SAYS["epochs"]),
    Mistake(_loop(mode=False), SAYS["mode"]),
    Mistake(_loop(after=True), SAYS["eval"]),
    Mistake(_loop(batch=64), "here one has 64"),
    Mistake(_loop(batch=8), "here one has 8"),
    Mistake(_loop(backward=False), SAYS["before"]),
    Mistake(_loop(early=True), SAYS["before"][:50]),
    Mistake(_loop(pick=lambda images, generator, size: torch.arange(size)), SAYS["same"]),
    Mistake(_loop(pick=_in_order), SAYS["order"]),
    Mistake(_loop(pick=lambda images, generator, size: torch.randint(50, (size,), generator=generator)),
            SAYS["never"]),
    Mistake(_loop(of_labels=lambda chosen: chosen.flip(0)), SAYS["labels"]),
    Mistake(_loop(own=lambda generator: torch.Generator().manual_seed(1)), SAYS["noise"]),
    Mistake(_rescaled, SAYS["changed"]),
    Mistake(_loop(zero=False), SAYS["added"]),
    Mistake(_loop(make=torch.optim.SGD), SAYS["adam"]),
    Mistake(_loop(anew=True), SAYS["anew"]),
    Mistake(_a_copy, SAYS["copy"]),
    Mistake(_loop(rate=lambda step, n: 4e-3), SAYS["constant"]),
    Mistake(_loop(rate=lambda step, n: 4e-3 * (1 - step / 2500)), SAYS["slowly"]),
    Mistake(_loop(rate=lambda step, n: 4e-3 * min((step + 1) / 100, 1) * (1 - step / n)), SAYS["warm-up"]),
    Mistake(_loop(rate=lambda step, n: 1e-3 * (1 - step / n)), SAYS["rate"] + " 0.001"),
    Mistake(_loop(rate=lambda step, n: 1.6e-5 * (1 - step / n)), SAYS["rate"] + " 1.6e-05"),
    Mistake(_loop(rate=lambda step, n: 4e-3 * 0.5**step), SAYS["soon"]),
    Mistake(_loop(parts=lambda network: network.a.parameters()), SAYS["some"]),
    Mistake(_loop(keep=lambda loss: loss.item() / 32), SAYS["losses"]),
]  # fmt: skip
