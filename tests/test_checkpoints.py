"""Saving and loading: exact, whole or not at all, without pickles, and the old labs' files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from diffusion_lib import files
from diffusion_lib.checkpoints import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.unet import ContextUnet

ROOT = Path(__file__).parent.parent
schedule = NoiseSchedule.cosine(37)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ContextUnet(1, 8, 3, 12)


def test_round_trip(model, tmp_path):
    path = tmp_path / "new folder" / "model.safetensors"
    save_checkpoint(path, model, schedule, steps=12, quality={"accuracy": 0.5}, note="t\u0308est")
    loaded = load_checkpoint(str(path))
    assert loaded.model.config == model.config and not loaded.model.training
    assert torch.equal(loaded.schedule.beta, schedule.beta)
    assert loaded.facts["steps"] == 12 and loaded.facts["quality"] == {"accuracy": 0.5}
    assert loaded.facts["note"] == "t\u0308est"
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value)
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]


def test_a_failed_save_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model, schedule, version=1)

    def half(temporary, content):
        with open(temporary, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, model, schedule, version=2)
    assert load_checkpoint(path).facts["version"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    with pytest.raises(ValueError, match="a fact cannot be stored as JSON"):
        save_checkpoint(path, model, schedule, bad={1, 2})


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps no such bits")
def test_a_checkpoint_can_be_read_by_whom_the_folder_allows(model, tmp_path):
    """A teacher's run is read by the whole room."""
    save_checkpoint(tmp_path / "model.safetensors", model, schedule)
    (tmp_path / "other").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_windows_is_given_time_to_let_go_of_the_old_file(tmp_path, monkeypatch):
    """It refuses to replace what someone is reading."""
    refusals, replace = [False, True, True], os.replace

    def refuse(source, target):
        if refusals.pop():
            raise PermissionError("[WinError 5] Access is denied")
        return replace(source, target)

    with files.written_whole(tmp_path / "new") as temporary:
        temporary.write_text("whole")
        monkeypatch.setattr(files.os, "replace", refuse)
        monkeypatch.setattr(files, "ON_WINDOWS", True)
    assert (tmp_path / "new").read_text() == "whole" and not refusals
    refusals += [True]
    monkeypatch.setattr(files, "ON_WINDOWS", False)
    with pytest.raises(PermissionError), files.written_whole(tmp_path / "new") as temporary:
        temporary.write_text("newer")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


def test_damaged_and_foreign_files_are_refused(model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model, schedule)
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], b"garbage" * 50):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is not a whole safetensors file"):
            load_checkpoint(path)
    save_tensors(path, {"weight": torch.zeros(2)}, {})
    with pytest.raises(ValueError, match="holds no noise schedule"):
        load_checkpoint(path)
    save_tensors(path, {"weight": torch.zeros(2), "schedule.beta": torch.full((3,), 0.1)}, {})
    with pytest.raises(ValueError, match="does not hold the weights of a ContextUnet"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint .*smal"):
        load_checkpoint("smal")
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        load_tensors(tmp_path / "nothing.safetensors")


def test_the_folder_of_a_run_stands_for_its_model(tmp_path):
    model = ContextUnet(3, 8, 2, 8).eval()
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*model\.safetensors"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path / "model.safetensors", model, NoiseSchedule.linear(5))
    assert torch.equal(load_checkpoint(tmp_path).model.out[3].weight, model.out[3].weight)


@pytest.mark.parametrize("height", [16, 28])
def test_an_old_labs_file_loads(tmp_path, height):
    old = ContextUnet(3, 16, 5, height)
    torch.save(old.state_dict(), tmp_path / "context_model_trained.pth")
    loaded = load_checkpoint(tmp_path / "context_model_trained.pth")
    assert loaded.model.config == old.config
    assert loaded.schedule.num_steps == 500 and loaded.schedule.beta[500] == 0.02
    x, t = torch.randn(2, 3, height, height), torch.tensor([0.5])
    weights = loaded.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in old.state_dict().items())
    # Loaded models are channels-last, so their sums are taken in another order.
    assert torch.allclose(loaded.model(x, t), old.eval()(x, t), atol=1e-4)


class Evil:
    def __reduce__(self):
        return (print, ("code from the file ran",))


def test_code_in_a_pickle_does_not_run(tmp_path, capsys):
    torch.save({"init_conv.conv1.0.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="evil.pth cannot be read as weights alone"):
        load_checkpoint(tmp_path / "evil.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="list.pth must hold a dictionary of tensors"):
        load_checkpoint(tmp_path / "list.pth")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not hold the weights of a ContextUnet"):
        load_checkpoint(tmp_path / "other.pth")
    assert "ran" not in capsys.readouterr().out


WRITER = """
import sys, torch
from diffusion_lib.checkpoints import save_tensors
for number in range(600):
    facts = {"number": number, "more": "x" * (number % 50)}  # so that the tensors lie elsewhere each time
    save_tensors(sys.argv[1], {"a": torch.full((1000,), number)}, facts)
"""


def test_what_is_replaced_while_it_is_read_is_read_whole(tmp_path):
    """A run saves while somebody looks at its model: the facts and the tensors belong together."""
    path, seen = tmp_path / "state.safetensors", set()
    save_tensors(path, {"a": torch.zeros(1000)}, {"number": 0})
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT) as writer:
        while writer.poll() is None:
            tensors, facts = load_tensors(path)
            assert (tensors["a"] == facts["number"]).all()
            seen.add(facts["number"])
    assert writer.returncode == 0 and len(seen) > 20
