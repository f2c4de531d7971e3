"""Notebook 08, the network: what any U-Net of a learner's own must do, and the classes that do not."""

import inspect
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from ..outcomes import is_untouched
from .randomness import seeded

FEWEST, MOST = 10_000, 2_000_000  # parameters
SAYS = {
    "instance": "Pass the class itself, without calling it: the check makes networks of 5 and of 3 classes.",
    "no module": "The class is no nn.Module: write class MyUnet(nn.Module), and super().__init__() first.",
    "no forward": "The class has no `forward` of its own: look at its spelling, and at its indentation. It "
    "stands beside __init__, not inside of it.",
    "nothing": "`forward` gives nothing back (None): is its `return` missing?",
    "five": "With 5 classes it runs, and with 3 it stops. Is a 5 written somewhere? Use num_classes.",
    "flat t": "t comes as (batch,), and a Linear wants (batch, 1): t.view(-1, 1).",
    "few": "it is too small to learn five kinds. 50,000 to 200,000 are a good size.",
    "many": "training would take far longer than two minutes. 50,000 to 200,000 are a good size.",
    "finite": "The output holds NaN or infinity, for images of ordinary size.",
    "in place": "The input x is overwritten, and the caller still needs it: write a + b, not a += b, and no "
    "in-place activation on x.",
    "late": "A layer is made in the first call of forward. The optimizer, made before, would not train it: "
    "make it in __init__.",
    "fresh": "The same input twice gives two outputs in eval mode: something in forward is drawn anew, a "
    "layer made there or a random number. (Dropout as nn.Dropout is silent in eval mode.)",
    "hidden": "Weights are used that are not among the network's parameters, so no optimizer trains them: a "
    "layer in a plain list, or kept in another way. Use nn.ModuleList, or an attribute for each layer.",
    "x": "The output does not depend on x at all: the noisy image must go through the network.",
    "t": "The output does not change with t: the time does not reach it. cemb * u + temb lets it in.",
    "c": "The output does not change with c: the class does not reach it. cemb * u + temb lets it in.",
    "colours": "The class changes the output by the same amounts whatever the picture is. Let it in before "
    "further layers, which can make a shape of it.",
    "none": "Without a class, c all zeros, the output does not change with t: the time must come in beside "
    "the class, as a summand, not be multiplied by it alone.",
    "argmax": "All zeros for c give the same as the first class. Does c.argmax() reach the network? Five "
    "zeros stand for no class: let c itself go through a Linear.",
    "mixed t": "The answer for an image depends on the t of the others in the batch: each has its own t. "
    "Is t averaged, or only its first entry used?",
    "mixed c": "The answer for an image depends on the c of the others in the batch: each has its own row.",
    "mixed x": "In eval mode the answer for an image depends on the others in its batch. BatchNorm does not "
    "do so in eval mode: is a mean taken over dim 0, or BatchNorm without running statistics?",
    "one": "A batch of one image fails or loses its first axis. Is there a squeeze() that takes away the "
    "batch as well? Name the axes to it.",
    "no gradient": "No gradient reaches",
    "bounded": "No output lies outside of [-1, 1], whatever the weights: there is a tanh or the like at the "
    "end. Noise often lies outside. End with a convolution.",
    "positive": "No output is below 0: there is a ReLU or the like at the end, and half of all noise is "
    "negative. End with a convolution.",
    "near": "pixels away, so it sees specks and no shapes. Go down to 8 x 8 and 4 x 4 between the "
    "convolutions, and up again.",
    "shift": "The output does not depend on x at the same pixel: the picture comes out in another place, or "
    "each pixel of it is the same.",
}


def test(answer) -> str | None:
    """The first thing wrong with a class like TinyUnet, in a sentence; None if there is nothing."""
    made = inspect.unwrap(answer)  # the frame wraps it
    if isinstance(made, nn.Module):
        return SAYS["instance"]
    if inspect.isclass(made) and not issubclass(made, nn.Module):
        return SAYS["no module"]
    if getattr(made, "forward", None) is nn.Module.forward:
        return SAYS["no forward"]
    for classes in (5, 3):
        torch.manual_seed(classes)
        network = answer(classes)
        try:
            complaint = _judge(network, classes, getattr(made, "forward", None))
        except RuntimeError as error:
            if "mat1 and mat2" not in str(error):
                raise
            if classes == 3:
                return SAYS["five"]
            if "(1x4 and" in str(error):  # t, of a batch of four
                return SAYS["flat t"]
            raise
        if complaint:
            return complaint
    return None


def _batch(classes: int, n: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = seeded(6)
    x = torch.randn(n, 3, 16, 16, generator=generator)
    return x, (torch.arange(n) + 1.0) / (n + 1), torch.eye(classes)[torch.arange(n) % classes]


def _judge(network: nn.Module, classes: int, forward) -> str | None:
    x, t, c = _batch(classes)
    before, names = x.clone(), {name for name, _ in network.named_parameters()}
    network.eval()
    out = network(x, t, c)
    if out is None:
        if is_untouched(forward):
            raise NotImplementedError
        return SAYS["nothing"]
    if not isinstance(out, Tensor) or out.shape != x.shape:
        kind = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
        return f"For x of shape {tuple(x.shape)} the noise in it is wanted, of the same shape; got {kind}."
    if not torch.equal(x, before):
        return SAYS["in place"]
    if names != {name for name, _ in network.named_parameters()}:
        return SAYS["late"]
    if not torch.equal(out, network(x, t, c)):
        return SAYS["fresh"]
    if _hidden(network, out):
        return SAYS["hidden"]
    count = sum(p.numel() for p in network.parameters())
    if not FEWEST <= count <= MOST:
        return f"The network has {count:,} parameters: {SAYS['few' if count < FEWEST else 'many']}"
    with torch.no_grad():  # a layer that begins as zeros, as some do on purpose, hides what is behind it
        generator = seeded(7)
        for p in network.parameters():
            p += 0.05 * torch.randn(p.shape, generator=generator)
        return _compare(network, x, t, c, classes) or _gradients(network, classes)


def _hidden(network: nn.Module, out: Tensor) -> bool:
    """Whether a weight in the graph of out is none of the network's parameters."""
    known, seen, todo = {id(p) for p in network.parameters()}, set(), [out.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable") and id(node.variable) not in known:
            return True
        todo += [following for following, _ in node.next_functions]
    return False


def _compare(network: nn.Module, x: Tensor, t: Tensor, c: Tensor, classes: int) -> str | None:
    """What is wrong with what it does in eval mode, told from pairs of calls."""
    out = network(x, t, c)
    if not out.isfinite().all():
        return SAYS["finite"]

    def same(a: Tensor, b: Tensor) -> bool:
        return bool((a - b).abs().max() <= 1e-5 * out.abs().max())

    if same(out, network(x.flip(2) + 1, t, c)):
        return SAYS["x"]
    if same(out, network(x, t.flip(0), c)):
        return SAYS["t"]
    if same(out, network(x, t, c.roll(1, dims=1))):
        return SAYS["c"]
    without = network(x, t, torch.zeros_like(c))
    if not without.isfinite().all():
        return SAYS["finite"]
    if same(without, network(x, t.flip(0), torch.zeros_like(c))):
        return SAYS["none"]
    other = 0.5 - x.flip(3)
    told = network(other, t, c) - network(other, t, torch.zeros_like(c))
    if same(out, without + told):
        return SAYS["colours"]
    if same(without, network(x, t, torch.eye(classes)[:1].expand_as(c))):
        return SAYS["argmax"]
    for i, (name, a) in enumerate((("t", t), ("c", c), ("x", x))):
        changed = [x, t, c]
        for k in (0, -1):  # the first may be the one that all the others are given
            changed[(1, 2, 0)[i]] = 0.5 * a.roll(1, dims=0)
            changed[(1, 2, 0)[i]][k] = a[k]
            if not same(out[k], network(*changed)[k]):
                return SAYS[f"mixed {name}"]
    try:
        alone = network(x[:1], t[:1], c[:1])
    except (RuntimeError, IndexError, ValueError):
        return SAYS["one"]
    if alone.shape != (1, 3, 16, 16):
        return SAYS["one"]
    if (alone - out[:1]).abs().max() > 1e-3 * out.abs().max():
        return SAYS["mixed x"]
    if out.min() >= 0:
        return SAYS["positive"]
    return _reach(network, x, t, c) or _limits(network, x, t, c)


def _reach(network: nn.Module, x: Tensor, t: Tensor, c: Tensor) -> str | None:
    """How far from a pixel its change is felt.

    A normalisation over the picture would carry a trace of it everywhere, so that they are passed by.
    """
    norms = [m for m in network.modules() if isinstance(m, (nn.GroupNorm, nn.InstanceNorm2d))]
    changed = x.clone()
    changed[:, :, :, 0] += 3.0  # the first column
    with ExitStack() as stack:
        for norm in norms:
            stack.enter_context(norm.register_forward_hook(lambda norm, given, out: given[0]))
        out = network(x, t, c)
        gap = (network(changed, t, c) - out).abs().amax(dim=(0, 1, 2))  # (16,)
    felt = (gap > 1e-6 * out.abs().max()).nonzero().flatten()
    if 0 not in felt:
        return SAYS["shift"]
    far = int(felt.max())
    return f"A change of one pixel is felt no more than {far} {SAYS['near']}" if far < 8 else None


def _limits(network: nn.Module, x: Tensor, t: Tensor, c: Tensor) -> str | None:
    """Whether larger weights give a larger output. They are put back."""
    weights = [p.clone() for p in network.parameters()]
    for p in network.parameters():
        p *= 4
    largest = network(x, t, c).abs().max()
    for p, weight in zip(network.parameters(), weights):
        p.copy_(weight)
    return SAYS["bounded"] if largest <= 1 else None


def _gradients(network: nn.Module, classes: int) -> str | None:
    network.train()
    network.zero_grad()
    x, t, c = _batch(classes, 8)
    with torch.enable_grad():
        loss = (network(x, t, c) - x.flip(3)).square().mean()
        if loss.requires_grad:
            loss.backward()
    for name, p in network.named_parameters():
        if p.grad is None:
            return f"{SAYS['no gradient']} {name}: the layer is made and not used, or something detaches it."
    return None
