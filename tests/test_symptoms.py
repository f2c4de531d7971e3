"""The gallery of bugs: its pictures are there, and each broken part is broken in the way that it says."""

import json

import pytest
import torch
from PIL import Image

from diffusion_lib.exercises import symptoms as exercises
from diffusion_lib.schedule import NoiseSchedule, snr
from diffusion_lib.symptoms import gallery
from diffusion_lib.symptoms.bugs import (
    WithoutSkips,
    WithoutTime,
    loss_without_root,
    negated,
    stretched,
    with_random_shortcut,
    wrapped_ddim,
    wrong_ddpm,
)
from diffusion_lib.symptoms.gallery import FOLDER, SAMPLED, TRAINED, digits, main

SCHEDULE = NoiseSchedule.linear(50, 1e-3, 0.3)


def test_each_symptom_has_its_sheet_its_curves_and_its_numbers():
    table = json.loads((FOLDER / "symptoms.json").read_text(encoding="utf-8"))
    assert set(table) == {"real", *TRAINED, *SAMPLED}
    for name in (*TRAINED, *SAMPLED):
        assert Image.open(FOLDER / f"{name}.png").size == (8 * 72, 5 * 72)
        assert {"accuracy", "distance", "apart", "twice", "alone", "time", "context"} <= set(table[name])
    for name in TRAINED:
        assert len(table[name]["loss_by_t"]) == len(table[name]["loss_along"]) == 20
        assert Image.open(FOLDER / f"{name}-loss.png").width > 600
    assert set(exercises.BEHIND.values()) <= {*TRAINED, *SAMPLED}
    shipped = {path.name for path in FOLDER.iterdir()}
    sheets = {f"{name}.png" for name in (*TRAINED, *SAMPLED)} | {f"{name}-loss.png" for name in TRAINED}
    assert shipped == sheets | {"symptoms.json"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_200_000


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
    for kind in ("none of them", "no_noise", "uniform_noise", "beta_for_sigma", "last_noise"):
        generator = torch.Generator().manual_seed(1)
        *_, end = wrong_ddpm(kind, lambda x, t: 0.9 * x, SCHEDULE, x_T, generator)
        assert end.t == 0
        ends[kind] = end.x_t
    deviation = {kind: x.std().item() for kind, x in ends.items()}
    assert deviation["no_noise"] < deviation["beta_for_sigma"] < deviation["none of them"]
    assert ends["uniform_noise"].mean() > 10 * abs(ends["none of them"].mean())
    left = ends["last_noise"] - ends["none of them"]
    assert left.std().item() == pytest.approx(SCHEDULE.beta[1].item() ** 0.5, rel=0.1)
    assert torch.equal(stretched(x_T).amax(dim=(2, 3)), torch.ones(4, 3))


@pytest.mark.parametrize(("num_steps", "calls", "left"), [(10, 10, 0), (12, 13, 1)])
def test_the_wrapped_ddim_ends_in_noise_where_n_does_not_divide_T(num_steps, calls, left):
    """With the exact noise of images that are 0.3 everywhere, DDIM ends at them, or goes on to noise."""

    def predict_noise(x, t):
        alpha_bar = SCHEDULE.alpha_bar[t].float()
        return (x - alpha_bar.sqrt() * 0.3) / (1 - alpha_bar).sqrt()

    x_T = torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    *steps, end = wrapped_ddim(predict_noise, SCHEDULE, x_T, num_steps)
    assert len(steps) == calls and end.t == 0
    assert (end.x_t - 0.3).std().item() == pytest.approx(left, abs=0.1)


def test_digits_have_their_own_class_and_negation_only_turns_the_labels():
    data = digits("held_out")
    assert data.labels.shape == (len(data), 5) and (data.labels.sum(dim=1) == 1).all()
    assert data.class_names == ("0", "1", "2", "3", "4")
    turned = negated(data)
    assert torch.equal(turned.labels, -data.labels) and turned.images is data.images


def test_the_command_makes_pictures_and_numbers_and_uses_what_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gallery, "SCHEDULE", NoiseSchedule.linear(20, 0.01, 0.6))
    monkeypatch.setattr(gallery, "COUNT", 40)
    monkeypatch.setattr(gallery, "SIZE", (1, 8, 5, 16))
    options = ["--steps", "100", "--out", str(tmp_path / "out"), "--models", str(tmp_path / "models")]
    short = {"right": TRAINED["right"], "no_time": TRAINED["no_time"]}
    monkeypatch.setattr(gallery, "TRAINED", short)
    monkeypatch.setattr(gallery, "SAMPLED", {"training_mode": "right"})
    few = {split: digits(split).subset(slice(64)) for split in ("train", "held_out")}
    monkeypatch.setattr(gallery, "digits", lambda split="train": few[split])
    assert main(options) == 0
    table = json.loads((tmp_path / "out/symptoms.json").read_text(encoding="utf-8"))
    assert table["no_time"]["time"] == 0 < table["right"]["time"]
    assert table["right"]["alone"] < 0.01 < table["training_mode"]["alone"]
    assert table["right"]["twice"] == 0
    made = {path.name for path in (tmp_path / "out").iterdir()}
    sheets = {"no_time-loss.png", "no_time.png", "right-loss.png", "right.png", "training_mode.png"}
    assert made == sheets | {"symptoms.json"}
    monkeypatch.setattr(gallery, "train", None)  # the networks are there: nothing is trained again
    assert main([*options, "--only", "no_time"]) == 0
    assert json.loads((tmp_path / "out/symptoms.json").read_text(encoding="utf-8")) == table
    capsys.readouterr()
    for wrong in (["--steps", "99"], ["--only", "no_such_bug"]):
        with pytest.raises(SystemExit):
            main(wrong)
