"""Notebook 08, the network: classes that people write, and what the check says to them."""

import torch
from torch import nn

from ..checks import Mistake
from .empty_cell_network import SAYS
from .empty_cell_worked import TinyUnet, block


class _Small(TinyUnet):
    def __init__(self, num_classes):
        super().__init__(num_classes, width=12)


def _asked(x=lambda x: x, t=lambda t: t, c=lambda c: c, then=lambda out, x: out):
    """The network, asked something else, or with something done to its answer."""

    class Wrong(_Small):
        def forward(self, x_t, time, context):
            return then(super().forward(x(x_t), t(time), c(context)), x_t)

    return Wrong


class _InAList(_Small):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.more = [nn.Conv2d(3, 3, 3, padding=1)]

    def forward(self, x, t, c):
        return self.more[0](super().forward(x, t, c))


class _MadeInForward(_Small):
    def forward(self, x, t, c):
        return super().forward(x, t, c) + nn.Conv2d(3, 3, 1)(x)


class _AtFirstCall(_Small):
    def forward(self, x, t, c):
        if not hasattr(self, "shortcut"):
            self.shortcut = nn.Conv2d(3, 3, 1)
        return super().forward(x, t, c) + self.shortcut(x)


class _TimesClass(TinyUnet):
    """The class multiplies the time, too; without a class neither is left."""

    def __init__(self, num_classes):
        super().__init__(num_classes, width=12)
        self.told = nn.Linear(num_classes, 1, bias=False)

    def forward(self, x, t, c):
        return super().forward(x, t * self.told(c)[:, 0], c)


class _Unused(_Small):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.forgotten = nn.Conv2d(3, 3, 1)


class _Detached(_Small):
    def forward(self, x, t, c):
        return self.out(super().forward(x, t, c).detach().mean(1, keepdim=True).expand(-1, 12, -1, -1))


class _Flat(nn.Module):
    """Convolutions at full size alone."""

    def __init__(self, num_classes):
        super().__init__()
        self.enter, self.out = block(3, 32), nn.Conv2d(32, 3, 3, padding=1)
        self.time, self.told = nn.Linear(1, 32), nn.Linear(num_classes, 32)

    def forward(self, x, t, c):
        u = self.told(c)[:, :, None, None] * self.enter(x) + self.time(t[:, None])[:, :, None, None]
        return self.out(u)


class _Colours(_Small):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.colours = nn.Linear(num_classes, 3)

    def forward(self, x, t, c):
        return super().forward(x, t, torch.zeros_like(c)) + self.colours(c)[:, :, None, None]


class _FlatTime(_Small):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.again = nn.Linear(1, 1)

    def forward(self, x, t, c):
        return super().forward(x, self.again(t), c)


class _BatchStatistics(_Small):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.enter[1] = nn.BatchNorm2d(12, track_running_stats=False)


class _Squeezed(_Small):
    def forward(self, x, t, c):
        return super().forward(x, t, c).squeeze()


class _InPlace(_Small):
    def forward(self, x, t, c):
        return super().forward(x.mul_(0.5), t, c)


class _NoForward(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.out = nn.Conv2d(3, 3, 3)

    def foward(self, x, t, c):
        return self.out(x)


class _PlainClass:
    def __init__(self, num_classes):
        self.out = nn.Conv2d(3, 3, 3)

    def forward(self, x, t, c):
        return self.out(x)


class _Nothing(_Small):
    def forward(self, x, t, c):
        self.last = super().forward(x, t, c)


class _Tiny(TinyUnet):
    def __init__(self, num_classes):
        super().__init__(num_classes, width=4)


class _Huge(TinyUnet):
    def __init__(self, num_classes):
        super().__init__(num_classes, width=160)


class _FiveOnly(_Small):
    def __init__(self, num_classes):
        super().__init__(5)


class _OneMap(_Small):
    def forward(self, x, t, c):
        return super().forward(x, t, c).mean(1, keepdim=True)


def _first(a):
    return a[:1].expand_as(a)


MISTAKES = [
    Mistake(_Small(5), SAYS["instance"]),
    Mistake(_PlainClass, SAYS["no module"]),
    Mistake(_NoForward, SAYS["no forward"]),
    Mistake(_Nothing, SAYS["nothing"]),
    Mistake(_OneMap, "For x of shape (4, 3, 16, 16) the noise in it is wanted"),
    Mistake(_Tiny, SAYS["few"]),
    Mistake(_Huge, SAYS["many"]),
    Mistake(_asked(then=lambda out, x: out / 0), SAYS["finite"]),
    Mistake(_InPlace, SAYS["in place"]),
    Mistake(_AtFirstCall, SAYS["late"]),
    Mistake(_MadeInForward, SAYS["fresh"]),
    Mistake(_InAList, SAYS["hidden"]),
    Mistake(_asked(x=torch.zeros_like), SAYS["x"]),
    Mistake(_asked(t=torch.zeros_like), SAYS["t"]),
    Mistake(_asked(c=torch.zeros_like), SAYS["c"]),
    Mistake(_TimesClass, SAYS["none"]),
    Mistake(_asked(c=lambda c: torch.eye(c.shape[1])[c.argmax(1)]), SAYS["argmax"]),
    Mistake(_asked(t=lambda t: t + t.mean()), SAYS["mixed t"]),
    Mistake(_asked(c=lambda c: c + c.mean(0)), SAYS["mixed c"]),
    Mistake(_BatchStatistics, SAYS["mixed x"]),
    Mistake(_Squeezed, SAYS["one"]),
    Mistake(_Unused, "No gradient reaches forgotten.weight"),
    Mistake(_Detached, "No gradient reaches enter.0.weight"),
    Mistake(_asked(then=lambda out, x: out.tanh()), SAYS["bounded"]),
    Mistake(_asked(then=lambda out, x: out.relu()), SAYS["positive"]),
    Mistake(_Flat, SAYS["near"]),
    Mistake(_asked(then=lambda out, x: out.flip(3)), SAYS["shift"]),
    Mistake(_FiveOnly, SAYS["five"]),
    Mistake(_FlatTime, SAYS["flat t"]),
    Mistake(_Colours, SAYS["colours"]),
]
