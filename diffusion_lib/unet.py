"""ContextUnet, the network that predicts the noise, and the four blocks that it is made of.

Names, order and shapes of the parameters are those of the well-known labs, whose checkpoints load.
"""

import math

import torch
from torch import Tensor, nn


class ResidualConvBlock(nn.Module):
    """Two times (3x3 convolution, BatchNorm, GELU), with a shortcut around them if is_res.

    (batch, in_channels, h, w) -> (batch, out_channels, h, w)

    The shortcut is the input, or conv1's output where the channel counts differ. Their sum is
    divided by sqrt(2), which keeps the variance of two independent parts.
    """

    def __init__(self, in_channels: int, out_channels: int, is_res: bool = False):
        super().__init__()
        self.same_channels = in_channels == out_channels
        self.is_res = is_res
        self.conv1 = _conv_norm_gelu(in_channels, out_channels)
        self.conv2 = _conv_norm_gelu(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.conv1(x)
        x2 = self.conv2(x1)
        if not self.is_res:
            return x2
        shortcut = x if self.same_channels else x1
        return (shortcut + x2) / math.sqrt(2)


def _conv_norm_gelu(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=1, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.GELU(),
    )


class UnetDown(nn.Module):
    """Two convolution blocks, then half the height and width.

    (batch, in_channels, h, w) -> (batch, out_channels, h/2, w/2)
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.model = nn.Sequential(
            ResidualConvBlock(in_channels, out_channels),
            ResidualConvBlock(out_channels, out_channels),
            nn.MaxPool2d(2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class UnetUp(nn.Module):
    """Twice the height and width, then two convolution blocks; the skip joins at the entrance.

    x and skip together (batch, in_channels, h, w) -> (batch, out_channels, 2h, 2w)
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.model = nn.Sequential(
            nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2),
            ResidualConvBlock(out_channels, out_channels),
            ResidualConvBlock(out_channels, out_channels),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.model(torch.cat((x, skip), dim=1))


class EmbedFC(nn.Module):
    """Linear, GELU, Linear on the input flattened to rows: (..., input_dim) -> (rows, emb_dim)."""

    def __init__(self, input_dim: int, emb_dim: int):
        super().__init__()
        self.input_dim = input_dim
        self.model = nn.Sequential(
            nn.Linear(input_dim, emb_dim),
            nn.GELU(),
            nn.Linear(emb_dim, emb_dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x.reshape(-1, self.input_dim))


class ContextUnet(nn.Module):
    """Predicts the noise in an image from the image, the time and a context vector.

    in_channels is 3 for colour, 1 for grey; n_feat the channels at full size, a multiple of 8 (GroupNorm
    makes 8 groups of them); n_cfeat the length of the context vector; height that of the square images,
    a multiple of 4. Raises ValueError, here and in forward, for a size or shape that does not fit.
    """

    def __init__(self, in_channels: int, n_feat: int = 256, n_cfeat: int = 10, height: int = 28):
        super().__init__()
        for name, value, step in (("in_channels", in_channels, 1), ("n_feat", n_feat, 8),
                                  ("n_cfeat", n_cfeat, 1), ("height", height, 4)):  # fmt: skip
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive whole number, got {value!r}")
            if value % step:
                raise ValueError(f"{name} must be divisible by {step}, got {value}")
        self.in_channels, self.n_feat, self.n_cfeat, self.height = in_channels, n_feat, n_cfeat, height
        quarter = height // 4

        self.init_conv = ResidualConvBlock(in_channels, n_feat, is_res=True)
        self.down1 = UnetDown(n_feat, n_feat)
        self.down2 = UnetDown(n_feat, 2 * n_feat)
        # The whole map, whatever its size (a window of 4, as often copied, fits only 16 x 16).
        self.to_vec = nn.Sequential(nn.AvgPool2d(quarter), nn.GELU())
        self.timeembed1 = EmbedFC(1, 2 * n_feat)
        self.timeembed2 = EmbedFC(1, n_feat)
        self.contextembed1 = EmbedFC(n_cfeat, 2 * n_feat)
        self.contextembed2 = EmbedFC(n_cfeat, n_feat)
        self.up0 = nn.Sequential(
            nn.ConvTranspose2d(2 * n_feat, 2 * n_feat, quarter, stride=quarter),
            nn.GroupNorm(8, 2 * n_feat),
            nn.ReLU(),
        )
        self.up1 = UnetUp(4 * n_feat, n_feat)
        self.up2 = UnetUp(2 * n_feat, n_feat)
        self.out = nn.Sequential(
            nn.Conv2d(2 * n_feat, n_feat, kernel_size=3, stride=1, padding=1),
            nn.GroupNorm(8, n_feat),
            nn.ReLU(),
            nn.Conv2d(n_feat, in_channels, kernel_size=3, stride=1, padding=1),
        )

    @property
    def config(self) -> dict[str, int]:
        """The arguments that make this network again: ContextUnet(**model.config)."""
        return {name: getattr(self, name) for name in ("in_channels", "n_feat", "n_cfeat", "height")}

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        """The predicted noise, shaped like x.

        x  (batch, in_channels, height, height)
        t  step / T, between 0 and 1, (batch,) or (1,) for all; more axes of length 1 are welcome
        c  context (batch, n_cfeat); None means all zeros, which stands for "no context"
        """
        c = x.new_zeros(len(x), self.n_cfeat) if c is None else c
        self._check(x, t, c)
        x0 = self.init_conv(x)  # (batch, f, h, h)
        d1 = self.down1(x0)  # (batch, f, h/2, h/2)
        d2 = self.down2(d1)  # (batch, 2f, h/4, h/4)
        h = self.to_vec(d2)  # (batch, 2f, 1, 1)

        cemb1 = self.contextembed1(c)[:, :, None, None]  # (batch, 2f, 1, 1)
        temb1 = self.timeembed1(t)[:, :, None, None]  # (batch or 1, 2f, 1, 1)
        cemb2 = self.contextembed2(c)[:, :, None, None]  # (batch, f, 1, 1)
        temb2 = self.timeembed2(t)[:, :, None, None]  # (batch or 1, f, 1, 1)

        u = self.up0(h)  # (batch, 2f, h/4, h/4)
        u = self.up1(cemb1 * u + temb1, d2)  # (batch, f, h/2, h/2)
        u = self.up2(cemb2 * u + temb2, d1)  # (batch, f, h, h)
        return self.out(torch.cat((u, x0), dim=1))  # (batch, in_channels, h, h)

    def _check(self, x: Tensor, t: Tensor, c: Tensor) -> None:
        image = (self.in_channels, self.height, self.height)
        if x.ndim != 4 or tuple(x.shape[1:]) != image:
            raise ValueError(f"x must have shape (batch, {', '.join(map(str, image))}), got {tuple(x.shape)}")
        if not t.is_floating_point():
            raise ValueError(f"t must be the fraction step / T in floating point, got {t.dtype}")
        if t.numel() not in (1, len(x)):
            raise ValueError(f"t must have 1 entry or one for each of the {len(x)} images, got {t.numel()}")
        if tuple(c.shape) != (len(x), self.n_cfeat):
            raise ValueError(f"c must have shape ({len(x)}, {self.n_cfeat}), got {tuple(c.shape)}")
