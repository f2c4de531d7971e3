"""The network against the published tables: parameters, shapes, and what it must refuse."""

import re

import pytest
import torch

from diffusion_lib.tracing import trace_shapes
from diffusion_lib.unet import ContextUnet, EmbedFC, ResidualConvBlock, UnetDown, UnetUp


def block(name, cin, cout):
    """The eight parameters of a ResidualConvBlock."""
    for conv, channels in (("conv1", cin), ("conv2", cout)):
        yield from [(f"{name}.{conv}.0.weight", (cout, channels, 3, 3)), (f"{name}.{conv}.0.bias", (cout,))]
        yield from [(f"{name}.{conv}.1.weight", (cout,)), (f"{name}.{conv}.1.bias", (cout,))]


def embedding(name, cin, cout):
    yield from [(f"{name}.model.0.weight", (cout, cin)), (f"{name}.model.0.bias", (cout,))]
    yield from [(f"{name}.model.2.weight", (cout, cout)), (f"{name}.model.2.bias", (cout,))]


def up(name, cin, cout):
    yield from [(f"{name}.model.0.weight", (cin, cout, 2, 2)), (f"{name}.model.0.bias", (cout,))]
    yield from block(f"{name}.model.1", cout, cout)
    yield from block(f"{name}.model.2", cout, cout)


PUBLISHED = [
    *block("init_conv", 3, 256),
    *block("down1.model.0", 256, 256),
    *block("down1.model.1", 256, 256),
    *block("down2.model.0", 256, 512),
    *block("down2.model.1", 512, 512),
    *embedding("timeembed1", 1, 512),
    *embedding("timeembed2", 1, 256),
    *embedding("contextembed1", 10, 512),
    *embedding("contextembed2", 10, 256),
    ("up0.0.weight", (512, 512, 7, 7)),
    ("up0.0.bias", (512,)),
    ("up0.1.weight", (512,)),
    ("up0.1.bias", (512,)),
    *up("up1", 1024, 256),
    *up("up2", 512, 256),
    ("out.0.weight", (256, 512, 3, 3)),
    ("out.0.bias", (256,)),
    ("out.1.weight", (256,)),
    ("out.1.bias", (256,)),
    ("out.3.weight", (3, 256, 3, 3)),
    ("out.3.bias", (3,)),
]


def test_parameters_are_those_of_the_published_table():
    with torch.device("meta"):  # shapes only: 26 million weights need not be drawn
        model = ContextUnet(3, n_feat=256, n_cfeat=10, height=28)
    assert [(name, tuple(p.shape)) for name, p in model.named_parameters()] == PUBLISHED


TRACE = """
init_conv ResidualConvBlock 32,3,28,28 32,64,28,28
down1 UnetDown 32,64,28,28 32,64,14,14
down2 UnetDown 32,64,14,14 32,128,7,7
to_vec Sequential 32,128,7,7 32,128,1,1
contextembed1 EmbedFC 32,5 32,128
timeembed1 EmbedFC 1,1,1,1 1,128
contextembed2 EmbedFC 32,5 32,64
timeembed2 EmbedFC 1,1,1,1 1,64
up0 Sequential 32,128,1,1 32,128,7,7
up1 UnetUp 32,128,7,7 32,64,14,14
up2 UnetUp 32,64,14,14 32,64,28,28
out Sequential 32,128,28,28 32,3,28,28
""".strip()


def test_shapes_are_those_of_the_published_table():
    model = ContextUnet(3, n_feat=64, n_cfeat=5, height=28)
    rows = trace_shapes(model, torch.zeros(32, 3, 28, 28), torch.zeros(1, 1, 1, 1), torch.zeros(32, 5))
    text = [
        f"{r.name} {r.type} {','.join(map(str, r.input_shape))} {','.join(map(str, r.output_shape))}"
        for r in rows
    ]
    assert "\n".join(text) == TRACE
    assert sum(r.num_parameters for r in rows) == sum(p.numel() for p in model.parameters())


def test_parameter_count_of_the_design():
    counts = {f: sum(p.numel() for p in ContextUnet(3, f, 5, 16).parameters()) for f in (32, 64)}
    assert counts[64] == pytest.approx(1.48e6, rel=0.01) and counts[32] == pytest.approx(0.37e6, rel=0.02)


@pytest.mark.parametrize("height", [8, 16, 20, 28, 32, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sizes_and_gradients(height, dtype):
    model = ContextUnet(1, n_feat=8, n_cfeat=3, height=height).to(dtype)
    x = torch.randn(2, 1, height, height, dtype=dtype)
    result = model(x, torch.rand(2, dtype=dtype), torch.eye(3, dtype=dtype)[:2])
    assert result.shape == x.shape and result.dtype == dtype
    result.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("height", [8, 16, 28, 32, 64])
def test_to_vec_sees_every_place(height):
    """A change in any corner of the last map moves the vector (bug 5: AvgPool2d(4) at 28 saw one corner)."""
    model = ContextUnet(1, n_feat=8, n_cfeat=1, height=height)
    maps = torch.zeros(1, 16, height // 4, height // 4)
    base = model.to_vec(maps)
    assert base.shape == (1, 16, 1, 1)
    for y in (0, -1):
        for x in (0, -1):
            moved = maps.clone()
            moved[..., y, x] = 1
            assert not torch.equal(model.to_vec(moved), base)


def test_same_input_same_output_in_eval_mode():
    """Bug 2: the labs' shortcut is a fresh random convolution at each call."""
    model = ContextUnet(3, 8, 5, 16).eval()
    x, t, c = torch.randn(2, 3, 16, 16), torch.rand(2), torch.eye(5)[:2]
    assert torch.equal(model(x, t, c), model(x, t, c))
    block = ResidualConvBlock(3, 8, is_res=True).eval()
    x1 = block.conv1(x)
    assert torch.allclose(block(x), (x1 + block.conv2(x1)) / 2**0.5)
    same = ResidualConvBlock(8, 8, is_res=True).eval()
    assert torch.allclose(same(x1), (x1 + same.conv2(same.conv1(x1))) / 2**0.5)


def test_t_and_context_in_every_welcome_form():
    model = ContextUnet(3, 8, 5, 16).eval()
    x = torch.randn(4, 3, 16, 16)
    one = model(x, torch.full((1, 1, 1, 1), 0.3))
    for t in (torch.tensor(0.3), torch.tensor([0.3]), torch.full((4,), 0.3), torch.full((4, 1, 1, 1), 0.3)):
        assert torch.allclose(model(x, t), one, atol=1e-6)
    assert torch.equal(model(x, torch.tensor([0.3]), torch.zeros(4, 5)), model(x, torch.tensor([0.3])))
    assert not torch.allclose(model(x, torch.tensor([0.9])), one, atol=1e-4)
    assert not torch.equal(model(x, torch.tensor([0.3]), torch.eye(5)[:4]), one)


def test_blocks_alone():
    x = torch.randn(2, 8, 12, 12)
    assert UnetDown(8, 16)(x).shape == (2, 16, 6, 6)
    assert UnetUp(16, 4)(x, x).shape == (2, 4, 24, 24)
    assert EmbedFC(3, 7)(torch.randn(5, 3, 1, 1)).shape == (5, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 30}, "height must be divisible by 4, got 30"),
        ({"height": 0}, "height must be a positive whole number, got 0"),
        ({"height": 28.0}, "height must be a positive whole number, got 28.0"),
        ({"n_feat": 20}, "n_feat must be divisible by 8, got 20"),
        ({"n_feat": -8}, "n_feat must be a positive whole number, got -8"),
        ({"in_channels": 0}, "in_channels must be a positive whole number, got 0"),
        ({"n_cfeat": 0}, "n_cfeat must be a positive whole number, got 0"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ContextUnet(**({"in_channels": 3, "n_feat": 8, "n_cfeat": 5, "height": 16} | arguments))


@pytest.mark.parametrize(
    ("x", "t", "c", "message"),
    [
        ((2, 3, 16, 12), (2,), (2, 5), "x must have shape (batch, 3, 16, 16), got (2, 3, 16, 12)"),
        ((2, 3, 28, 28), (2,), (2, 5), "x must have shape (batch, 3, 16, 16), got (2, 3, 28, 28)"),
        ((2, 1, 16, 16), (2,), (2, 5), "x must have shape (batch, 3, 16, 16), got (2, 1, 16, 16)"),
        ((3, 16, 16), (1,), (1, 5), "x must have shape (batch, 3, 16, 16), got (3, 16, 16)"),
        ((2, 3, 16, 16), (3,), (2, 5), "t must have 1 entry or one for each of the 2 images, got 3"),
        ((2, 3, 16, 16), (2,), (5,), "c must have shape (2, 5), got (5,)"),
        ((2, 3, 16, 16), (2,), (2, 4), "c must have shape (2, 5), got (2, 4)"),
        ((2, 3, 16, 16), (2,), (1, 5), "c must have shape (2, 5), got (1, 5)"),
    ],
)
def test_bad_shapes_are_refused(x, t, c, message):
    model = ContextUnet(3, 8, 5, 16)
    with pytest.raises(ValueError, match=re.escape(message)):
        model(torch.zeros(x), torch.zeros(t), torch.zeros(c))


def test_a_step_in_place_of_the_fraction_is_refused():
    with pytest.raises(ValueError, match="t must be the fraction step / T"):
        ContextUnet(3, 8, 5, 16)(torch.zeros(1, 3, 16, 16), torch.tensor([250]))


def test_trace_leaves_nothing_behind():
    model = ContextUnet(3, 8, 5, 16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    inputs = (torch.randn(2, 3, 16, 16), torch.rand(2))
    rows = trace_shapes(model, *inputs, depth=2)
    assert [r.name for r in rows[:3]] == ["init_conv", "init_conv.conv1", "init_conv.conv2"]
    with pytest.raises(ValueError, match="x must have shape"):
        trace_shapes(model, torch.zeros(2, 3, 12, 12), torch.rand(2))
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        trace_shapes(model, *inputs, depth=0)
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
        assert module.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_trace_lists_a_layer_that_is_called_twice():
    layer = torch.nn.Linear(3, 3)

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(self.layer(x))

    rows = trace_shapes(Twice(), torch.zeros(2, 3))
    assert [(r.name, r.output_shape, r.num_parameters) for r in rows] == [("layer", (2, 3), 12)] * 2
