"""guided_by: the formula, and that a worse guide leads to better points."""

import pytest
import torch

from diffusion_lib.autoguidance import guided_by
from diffusion_lib.guidance import guided
from diffusion_lib.samplers import last, sample_ddim
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.toy import exact_noise, islands
from diffusion_lib.unet import ContextUnet

schedule = NoiseSchedule.linear(50)


def counted(value):
    """A predict_noise that gives `value` times x_t, and the list of its calls."""
    calls = []

    def predict_noise(x_t, t):
        calls.append(t)
        return value * x_t

    return predict_noise, calls


@pytest.mark.parametrize("weight", [-1, 0, 0.5, 1, 3])
def test_the_formula(weight):
    (guide, of_guide), (predict_noise, of_main) = counted(2.0), counted(5.0)
    x_t = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = guided_by(guide, predict_noise, weight)(x_t, 7)
    assert torch.allclose(noise, (2 + weight * 3) * x_t, rtol=1e-12)
    assert of_guide == of_main == [7]


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 3.0])
def test_by_itself_without_context_it_is_classifier_free_guidance(weight):
    torch.manual_seed(0)
    model = ContextUnet(1, 8, 3, 8).eval()
    x_t, context, t = torch.randn(3, 1, 8, 8), torch.eye(3), torch.tensor([1, 20, 50])
    with torch.no_grad():
        one_forward = guided(model, schedule, context, weight)(x_t, t)
        two = guided_by(guided(model, schedule), guided(model, schedule, context), weight)(x_t, t)
    assert torch.allclose(one_forward, two, atol=1e-5)


def test_away_from_a_worse_guide_points_come_nearer_to_the_data():
    """Exact denoisers of displaced points, the guide's farther off: fewer points end far from the islands."""
    fine = NoiseSchedule.linear(200)
    points, _ = islands(num_islands=3, points_each=100, spread=0.05)
    generator = torch.Generator().manual_seed(0)
    blur = torch.randn(len(points), 2, generator=generator)
    better, worse = (exact_noise(fine, points + width * blur) for width in (0.15, 0.3))
    noise = torch.randn(400, 2, generator=generator)

    def outside(weight):
        drawn = last(sample_ddim(guided_by(worse, better, weight), fine, noise, num_steps=40))
        return (torch.cdist(drawn, points).min(dim=1).values > 0.1).float().mean().item()

    assert outside(2) < outside(1) - 0.05 < outside(0) - 0.1
