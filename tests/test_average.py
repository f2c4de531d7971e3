"""The mean of stages of a training: weights and statistics are means, and what does not fit is refused."""

import pytest
import torch

from diffusion_lib.average import main, mean_of
from diffusion_lib.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.unet import ContextUnet

SCHEDULE = NoiseSchedule.linear(20)


def stage(seed, n_feat=8, schedule=SCHEDULE, **facts):
    torch.manual_seed(seed)
    model = ContextUnet(1, n_feat, 2, 8)
    for _ in range(seed):  # so that BatchNorm has statistics of its own
        model(torch.randn(4, 1, 8, 8), torch.rand(4))
    return Checkpoint(model.eval(), schedule, facts)


def test_weights_and_statistics_are_means():
    stages = [stage(seed) for seed in (1, 2, 6)]
    before = [{k: v.clone() for k, v in s.model.state_dict().items()} for s in stages]
    mean = mean_of(stages)
    assert not mean.model.training and torch.equal(mean.schedule.beta, SCHEDULE.beta)
    for name, value in mean.model.state_dict().items():
        if not value.is_floating_point():
            continue  # how many batches BatchNorm has seen: nothing that draws looks at it
        expected = sum(weights[name].double() for weights in before) / 3
        assert torch.allclose(value.double(), expected, atol=1e-6), name
        if "running" in name:
            assert (value - before[0][name]).abs().max() > 1e-3, name
    for s, weights in zip(stages, before):
        assert all(torch.equal(value, weights[name]) for name, value in s.model.state_dict().items())


def test_the_command_keeps_what_is_true_of_the_mean(tmp_path, capsys):
    for seed in (1, 2):
        s = stage(seed, settings={"seed": seed, "class_names": ["a", "b"]}, images_seen=100 * seed, seconds=7,
                  step=2 * seed, loss=0.1, quality={"ddpm": {}}, start_from="x")  # fmt: skip
        save_checkpoint(tmp_path / f"{seed}.safetensors", s.model, s.schedule, **s.facts)
    paths = [str(tmp_path / f"{seed}.safetensors") for seed in (1, 2)]
    out = tmp_path / "new" / "mean.safetensors"
    assert main([*paths, "--out", str(out)]) == 0
    facts = load_checkpoint(out).facts
    assert facts.pop("config")["n_feat"] == 8
    assert facts == {
        "settings": {"seed": 2, "class_names": ["a", "b"]}, "images_seen": 300, "seconds": 14, "step": 6,
        "mean_of": paths,
    }  # fmt: skip
    written = out.read_bytes()
    assert main([*paths, "--out", str(out)]) == 1 and out.read_bytes() == written
    assert "is there already" in capsys.readouterr().err


def test_names_count_also_where_the_first_has_none():
    named = [stage(1, settings={"class_names": names}) for names in (["a", "b"], ["b", "a"])]
    with pytest.raises(ValueError, match="model 3 must draw a, b, got b, a"):
        mean_of([stage(0), *named])


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([], "at least 2 models .* got 1"),
        ([stage(1, n_feat=16)], "model 2 must be a .*'n_feat': 8.* got .*'n_feat': 16"),
        ([stage(1), stage(1, schedule=NoiseSchedule.linear(21))], "model 3 must have the noise schedule"),
        ([stage(1, settings={"class_names": ["b", "a"]})], "model 2 must draw a, b, got b, a"),
        ([stage(1), stage(1, settings={"class_names": ["b", "a"]})], "model 3 must draw a, b, got b, a"),
    ],
)
def test_what_does_not_belong_together_is_refused(others, message):
    with pytest.raises(ValueError, match=message):
        mean_of([stage(0, settings={"class_names": ["a", "b"]}), *others])


def test_the_command_refuses_with_a_sentence(tmp_path, capsys):
    assert main(["small", "--out", str(tmp_path / "mean.safetensors")]) == 1
    assert main(["small", "nothing", "--out", str(tmp_path / "mean.safetensors")]) == 1
    assert main(["small", "small", "--out", str(tmp_path / "mean.pth")]) == 1
    said = capsys.readouterr().err
    assert "error: there must be at least 2 models" in said and "there is no checkpoint" in said
    assert "--out must end in .safetensors, got mean.pth" in said
    assert not list(tmp_path.iterdir())
