"""The gallery of bugs: its pictures are there, and each broken part is broken in the way that it says."""

import json

import torch
from PIL import Image

from diffusion_lib.schedule import NoiseSchedule, snr
from diffusion_lib.symptoms import (
    FOLDER,
    SAMPLED,
    TRAINED,
    WithoutSkips,
    WithoutTime,
    loss_without_root,
    stretched,
    with_random_shortcut,
    wrong_ddpm,
)

SCHEDULE = NoiseSchedule.linear(50, 1e-3, 0.3)


def test_each_symptom_has_its_sheet_and_its_numbers():
    table = json.loads((FOLDER / "symptoms.json").read_text(encoding="utf-8"))
    assert set(table) == {"real", *TRAINED, *SAMPLED}
    for name in (*TRAINED, *SAMPLED):
        assert Image.open(FOLDER / f"{name}.png").size == (8 * 72, 5 * 72)
    assert all(len(table[name]["loss_by_t"]) == 20 for name in TRAINED)


def test_networks_are_broken_as_named():
    torch.manual_seed(0)
    x, t = torch.randn(2, 3, 16, 16), torch.full((2,), 0.3)
    with torch.no_grad():
        random = with_random_shortcut(3, 8, 5, 16).eval()
        assert not torch.allclose(random(x, t), random(x, t))
        blind = WithoutTime(3, 8, 5, 16).eval()
        assert torch.equal(blind(x, t), blind(x, t + 0.5))
        cut = WithoutSkips(3, 8, 5, 16).eval()
        seen = []
        cut.up2.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
        cut.out[0].register_forward_pre_hook(lambda module, args: seen.append(args[0][:, cut.n_feat :]))
        cut(x, t)
        assert len(seen) == 2 and all((part == 0).all() for part in seen)


def test_the_missing_root_makes_the_noise_too_weak():
    got = []

    def model(x_t, t, c):
        got.append(x_t)
        return torch.zeros_like(x_t)

    t, noise = torch.tensor([5, 40]), torch.randn(2, 3, 16, 16)
    loss_without_root(model, SCHEDULE, torch.zeros(2, 3, 16, 16), t, noise)
    variance = 1 / (1 + snr(SCHEDULE, t))
    assert torch.allclose(got[0], noise * variance.float().view(2, 1, 1, 1), atol=1e-6)


def test_wrong_samplers_differ_only_in_the_noise():
    x_T = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    ends = {}
    for kind in ("none of them", "no_noise", "uniform_noise", "beta_for_sigma"):
        generator = torch.Generator().manual_seed(1)
        *_, end = wrong_ddpm(kind, lambda x, t: 0.9 * x, SCHEDULE, x_T, generator)
        assert end.t == 0
        ends[kind] = end.x_t
    deviation = {kind: x.std().item() for kind, x in ends.items()}
    assert deviation["no_noise"] < deviation["beta_for_sigma"] < deviation["none of them"]
    assert ends["uniform_noise"].mean() > 10 * abs(ends["none of them"].mean())
    assert torch.equal(stretched(x_T).amax(dim=(2, 3)), torch.ones(4, 3))
