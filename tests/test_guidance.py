"""guided: the formula, the number of forwards, the shapes, and what it refuses."""

import pytest
import torch

from diffusion_lib.guidance import guided
from diffusion_lib.samplers import last, sample_ddim
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.unet import ContextUnet

schedule = NoiseSchedule.linear(50)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ContextUnet(1, 8, 3, 8).eval()


@pytest.fixture
def calls(model):
    made = []
    model.register_forward_pre_hook(lambda module, args: made.append(args))
    return made


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.5, 1.0, 2.0, 7.5])
def test_the_formula_and_the_cost(model, calls, weight):
    x, c = torch.randn(4, 1, 8, 8), torch.eye(3)[[0, 1, 2, 0]]
    with torch.no_grad():
        t = torch.tensor([20 / 50])
        without, with_context = model(x, t), model(x, t, c)
        calls.clear()
        got = guided(model, schedule, c, weight)(x, 20)
    assert torch.allclose(got, without + weight * (with_context - without), atol=1e-5)
    assert [len(args[0]) for args in calls] == ([4] if weight in (0, 1) else [8])


def test_without_context_every_weight_is_one_plain_forward(model, calls):
    x = torch.randn(2, 1, 8, 8)
    for weight in (0.0, 1.0, 4.0):
        calls.clear()
        got = guided(model, schedule, None, weight)(x, 50)
        assert len(calls) == 1 and len(calls[0][0]) == 2
        assert torch.equal(got, model(x, torch.tensor([1.0])))


def test_one_context_for_all_and_a_t_for_each(model):
    x, c = torch.randn(3, 1, 8, 8), torch.tensor([0.5, 0.5, 0.0])
    t = torch.tensor([1, 25, 50])
    for weight in (0.0, 1.0, 3.0):
        together = guided(model, schedule, c, weight)(x, t)
        for i in range(3):
            alone = guided(model, schedule, c[None], weight)(x[i : i + 1], int(t[i]))
            assert torch.allclose(together[i : i + 1], alone, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_device(model, dtype, device):
    if device.type == "mps" and dtype == torch.float64:
        pytest.skip("MPS has no float64")
    model = model.to(device=device, dtype=dtype)
    x_T = torch.randn(2, 1, 8, 8, dtype=dtype).to(device)
    x_0 = last(sample_ddim(guided(model, schedule, torch.eye(3)[:2], 2.0), schedule, x_T, num_steps=3))
    assert x_0.dtype == dtype and x_0.device.type == device.type and x_0.isfinite().all()


def test_training_mode_is_refused(model):
    with pytest.raises(
        ValueError, match=r"the model is in training mode: call model.eval\(\) before sampling"
    ):
        guided(model.train(), schedule)
    predict_noise = guided(model.eval(), schedule)
    model.train()
    with pytest.raises(ValueError, match="training mode"):
        predict_noise(torch.zeros(1, 1, 8, 8), 3)


def test_wrong_context_is_refused(model):
    x = torch.zeros(2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"c must have shape \(2, 3\), got \(2, 4\)"):
        guided(model, schedule, torch.zeros(4))(x, 1)
    with pytest.raises(ValueError, match=r"c must have shape \(2, 3\), got \(5, 3\)"):
        guided(model, schedule, torch.zeros(5, 3))(x, 1)
    with pytest.raises(ValueError, match=r"context must have shape \(K,\) or \(batch, K\), got \(1, 1, 3\)"):
        guided(model, schedule, torch.zeros(1, 1, 3))(x, 1)


@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_gradients_where_they_are_wanted(model, weight):
    predict_noise = guided(model, schedule, torch.eye(3)[:2], weight)
    x = torch.randn(2, 1, 8, 8, requires_grad=True)
    predict_noise(x, 20).sum().backward()  # what guidance by a classifier or by a part of an image needs
    assert x.grad.abs().max() > 0
    with torch.no_grad():
        answer = predict_noise(x, 20)
    assert not answer.is_inference() and not answer.requires_grad
    (answer * x).sum().backward()  # autograd may keep it for a backward pass
