"""python -m diffusion_lib.train: killed, stopped, resumed, and its refusals."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_lib import run_folder, train, training
from diffusion_lib.checkpoints import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from diffusion_lib.devices import is_mixed, knows_bfloat16
from diffusion_lib.emphasis import CONTEXT_WEIGHTS
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.train import main
from diffusion_lib.unet import ContextUnet

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, images=rng.integers(0, 256, (200, 8, 8, 3), dtype=np.uint8), labels=np.arange(200) % 2)
    return path


def command(data, out, *more):
    fixed = ["--epochs", "20", "--n-feat", "8", "--batch-size", "16", "--save-every", "7", "--sheets", "1"]
    where = ["--data", str(data), "--out", str(out), "--device", "cpu"]
    return [sys.executable, "-m", "diffusion_lib.train", *where, *fixed, *more]


def run(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    result = run(data, out)
    assert result.returncode == 0, result.stderr
    return out, result


def visible(folder):
    """The names of the files that a run leaves for people to see."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


STEPS_AN_EPOCH = 180 // 16
NUM_STEPS = 20 * STEPS_AN_EPOCH


def test_what_a_run_leaves(whole):
    out, result = whole
    names = visible(out)
    assert names == ["losses.png", "model.safetensors", "run.safetensors", f"sheet-{NUM_STEPS:06d}.png"]
    checkpoint = load_checkpoint(out / "model.safetensors")
    assert checkpoint.facts["step"] == NUM_STEPS and checkpoint.facts["images_seen"] == NUM_STEPS * 16
    assert checkpoint.facts["settings"]["learning_rate"] == 4e-3
    assert len(checkpoint.facts["settings"]["data_sha256"]) == 64
    assert checkpoint.schedule.beta[500] == 0.04
    assert re.search(r"img/s.*loss=0?\.\d+", result.stderr) and re.search(
        r"\d\d:\d\d<\d\d:\d\d", result.stderr
    )
    assert "done:" in result.stdout


def run_and_print(arguments, output):
    """In a process of its own: the command, with all that it prints in a file."""
    with open(output, "w", encoding="utf-8") as sys.stdout:
        sys.stderr = sys.stdout
        status = main(arguments)
    sys.exit(status)


def start(fork, data, out):
    """The process of the command, and the file with what it prints."""
    output = out.with_suffix(".txt")
    return fork(run_and_print, command(data, out, "--resume")[3:], output), output


def start_and_signal(fork, data, out, number, after_step):
    """Starts a run, waits until a state of at least after_step is saved, and sends the signal."""
    process, output = start(fork, data, out)
    state, deadline = out / "run.safetensors", time.monotonic() + 120
    while process.is_alive() and time.monotonic() < deadline:
        if state.exists() and int(load_tensors(state)[0]["step"]) >= after_step:
            break
        time.sleep(0.002)
    assert process.is_alive(), f"it ended by itself, with {process.exitcode}: {read(output)}"
    os.kill(process.pid, number)
    return status_of(process), read(output)


def status_of(process, seconds=60):
    process.join(seconds)
    assert not process.is_alive(), f"it is still running after {seconds} seconds"
    return process.exitcode


def read(output):
    return output.read_text(encoding="utf-8")


@posix
def test_killed_at_any_moment_it_resumes_to_the_same_bits(fork, data, whole, tmp_path):
    for after_step in (7, 63, 140):
        status, _ = start_and_signal(fork, data, tmp_path, signal.SIGKILL, after_step)
        assert status == -signal.SIGKILL, "it was still running"
    saved = int(load_tensors(tmp_path / "run.safetensors")[0]["step"])
    assert 140 <= saved < NUM_STEPS
    (tmp_path / "run.safetensors.12.tmp").write_bytes(b"half of a file")
    process, output = start(fork, data, tmp_path)
    assert status_of(process) == 0, read(output)
    assert f"going on after step {saved} of {NUM_STEPS}" in read(output)
    assert not list(tmp_path.glob("*.tmp"))
    for name in ("run.safetensors", "model.safetensors"):
        expected, _ = load_tensors(whole[0] / name)
        got, _ = load_tensors(tmp_path / name)
        assert expected.keys() == got.keys()
        for key in expected:
            assert torch.equal(got[key], expected[key]), f"{name}: {key}"


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_clean_stop_saves_the_very_step(fork, data, tmp_path, number):
    status, output = start_and_signal(fork, data, tmp_path, number, after_step=14)
    assert status == 130, output
    stopped = int(re.search(r"stopped after step (\d+) of 220, all saved", output).group(1))
    tensors, _ = load_tensors(tmp_path / "run.safetensors")
    assert int(tensors["step"]) == stopped
    assert load_checkpoint(tmp_path / "model.safetensors").facts["step"] == stopped
    assert not list(tmp_path.glob("*.tmp"))


def test_the_status_of_the_command_tells_that_it_was_refused(data, tmp_path):
    result = run(data, tmp_path, "--device", "tpu")
    assert result.returncode == 1 and result.stderr.startswith("error: device must be auto or one of cpu")


def test_a_finished_run_says_so(data, whole, capsys):
    before = (whole[0] / "run.safetensors").read_bytes()
    assert main(command(data, whole[0], "--resume")[3:]) == 0
    assert f"is complete: {NUM_STEPS} steps were done before" in capsys.readouterr().out
    assert (whole[0] / "run.safetensors").read_bytes() == before


def test_the_odds_of_t_reach_the_training_and_are_part_of_a_run(data, tmp_path, monkeypatch, capsys):
    asked = []

    def watched(*arguments, draw_t, **options):
        asked.append(draw_t)
        return training.train(*arguments, draw_t=draw_t, **options)

    monkeypatch.setattr(train, "train", watched)
    short = ["--epochs", "1"]
    for draw_t, more in (("middle", []), ("uniform", ["--draw-t", "uniform"])):
        out = tmp_path / draw_t
        assert main(command(data, out, *short, *more)[3:]) == 0
        assert asked.pop() == draw_t
        assert load_checkpoint(out / "model.safetensors").facts["settings"]["draw_t"] == draw_t
    assert main(command(data, tmp_path / "uniform", *short, "--resume")[3:]) == 1
    assert "was made with draw_t = uniform, got middle" in capsys.readouterr().err
    assert main(command(data, tmp_path / "middle", *short, "--resume", "--class-rate", "3")[3:]) == 1
    assert "was made with class_rate = 1.0, got 3.0" in capsys.readouterr().err


def test_a_state_from_before_the_odds_could_be_chosen_is_taken_up(data, whole, tmp_path, capsys):
    tensors, facts = load_tensors(whole[0] / "run.safetensors")
    del facts["settings"]["draw_t"], facts["settings"]["class_rate"]
    save_tensors(tmp_path / "run.safetensors", tensors, facts)
    assert main(command(data, tmp_path, "--resume", "--draw-t", "uniform")[3:]) == 0
    assert main(command(data, tmp_path, "--resume")[3:]) == 1
    assert "was made with draw_t = uniform, got middle" in capsys.readouterr().err


def test_a_model_of_pictures_knows_the_names_of_its_classes(tmp_path, capsys):
    """And a run is taken up where a folder has got another name, but not where a picture is another."""
    for name, shade in (("wolf", 30), ("apple", 200)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (8, 8), (shade, number, 0)).save(tmp_path / "mine" / name / f"{number:02}.png")
    arguments = command(tmp_path / "mine", tmp_path / "run")[3:]
    assert main(arguments) == 0
    assert "22 images, 3x8x8: apple 11, wolf 11" in capsys.readouterr().out
    checkpoint = load_checkpoint(tmp_path / "run" / "model.safetensors")
    assert checkpoint.facts["settings"]["class_names"] == ["apple", "wolf"]
    assert checkpoint.model.config == {"in_channels": 3, "n_feat": 8, "n_cfeat": 2, "height": 8}
    (tmp_path / "mine" / "wolf").rename(tmp_path / "mine" / "wolves")
    assert main([*arguments, "--resume"]) == 0
    Image.new("RGB", (8, 8), "white").save(tmp_path / "mine" / "apple" / "00.png")
    assert main([*arguments, "--resume"]) == 1
    assert "was made with other images, or with these in another order" in capsys.readouterr().err


def test_a_class_that_the_terminal_cannot_show_stops_nothing(tmp_path):
    (tmp_path / "mine" / "猫").mkdir(parents=True)
    for number in range(4):
        Image.new("L", (8, 8), number).save(tmp_path / "mine" / "猫" / f"{number}.png")
    latin = os.environ | {"PYTHONIOENCODING": "cp1252", "OMP_NUM_THREADS": "1"}
    more = ["--epochs", "1", "--batch-size", "2", "--sheets", "0"]
    arguments = command(tmp_path / "mine", tmp_path / "run", *more)
    result = subprocess.run(arguments, cwd=ROOT, capture_output=True, env=latin)
    assert result.returncode == 0 and b"4 images, 1x8x8: ? 4" in result.stdout, result
    facts = load_checkpoint(tmp_path / "run" / "model.safetensors").facts
    assert facts["settings"]["class_names"] == ["猫"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "is there already: add --resume to go on, or choose another --out"),
        (["--resume", "--learning-rate", "0.5"], "was made with learning_rate = 0.004, got 0.5"),
        (["--resume", "--epochs", "3"], "was made with epochs = 20, got 3; to train on: --start-from"),
    ],
)
def test_another_run_is_not_overwritten(data, whole, more, message, capsys):
    before = (whole[0] / "run.safetensors").read_bytes()
    assert main(command(data, whole[0], *more)[3:]) == 1
    assert message in capsys.readouterr().err
    assert (whole[0] / "run.safetensors").read_bytes() == before


@pytest.mark.parametrize("below", [[], ["runs", "mine"]])
def test_a_file_is_no_folder_for_a_run(data, tmp_path, below, capsys):
    """Said before the first step, and not when the first state is saved."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert main(command(data, tmp_path.joinpath("notes.txt", *below))[3:]) == 1
    errors = capsys.readouterr().err
    assert "error: --out must be a folder, and " in errors and "notes.txt is a file\n" in errors
    assert "img/s" not in errors and (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_two_trainings_do_not_share_a_folder(data, whole, tmp_path, capsys):
    """Nor do they wait for each other. (That a killed one gives its folder free is seen above.)"""
    with run_folder.held(tmp_path, resume=False):
        (tmp_path / "run.safetensors.12.tmp").touch()  # of the one that is running
        for more in ([], ["--resume"]):
            assert main(command(data, tmp_path, *more)[3:]) == 1
        assert f"{tmp_path} is in use by another training: wait, or" in capsys.readouterr().err
        with run_folder.held(tmp_path, resume=False, by_me=False):
            pass  # another process of the same training
        assert (tmp_path / "run.safetensors.12.tmp").exists()
    assert main(command(data, tmp_path, "--epochs", "1")[3:]) == 0


def test_a_model_whose_state_was_deleted_is_not_overwritten(data, whole, tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes((whole[0] / "model.safetensors").read_bytes())
    assert main(command(data, tmp_path)[3:]) == 1
    assert "model.safetensors is there already: choose another --out" in capsys.readouterr().err


def test_a_picture_that_fails_costs_no_training(data, tmp_path, capsys, monkeypatch):
    """The sheet and the losses are drawn at the last step, when all is saved."""

    def held_open(*arguments):
        raise PermissionError("losses.png is open in a viewer")

    for name in ("draw_sheet", "draw_losses"):
        monkeypatch.setattr(train, name, held_open)
        out = tmp_path / name
        assert main(command(data, out, "--save-every", "1000", "--epochs", "3")[3:]) == 1
        assert "open in a viewer" in capsys.readouterr().err
        assert load_checkpoint(out / "model.safetensors").facts["step"] == 3 * STEPS_AN_EPOCH


def test_files_of_others_are_left_alone(data, tmp_path):
    (tmp_path / "notes.tmp").touch()
    (tmp_path / "run.safetensors.12.tmp").touch()
    assert main(command(data, tmp_path, "--epochs", "1")[3:]) == 0
    assert [path.name for path in tmp_path.glob("*.tmp")] == ["notes.tmp"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--data", "spirtes"], "error: data must be"),
        (["--device", "tpu"], "error: device must be auto or one of cpu"),
        (["--n-feat", "12"], "error: n_feat must be divisible by 8, got 12"),
        (["--batch-size", "500"], "error: batch_size must lie in 1 .. 180"),
        (["--batch-size", "0"], "error: batch_size must lie in 1 .. 180"),
        (["--beta-end", "2"], "error: each beta must lie between 0 and 1"),
        (["--learning-rate", "1e30"], "error: the"),
        (["--save-every", "0"], "error: --save-every must be at least 1"),
        (["--device", "cpu:x"], "error: device must be auto or one of cpu"),
        (["--class-rate", "-1"], "error: class_rate must be"),
    ],
)
def test_bad_arguments_get_one_sentence(data, tmp_path, more, message, capsys):
    assert main(command(data, tmp_path, *more)[3:]) == 1
    errors = capsys.readouterr().err
    assert message in errors and ("img/s" not in errors or "1e30" in more), "no bar begins"


def test_the_last_good_checkpoint_stays_when_the_loss_is_no_number(data, tmp_path, capsys, monkeypatch):
    """The loss turns to NaN after step 17; steps 7 and 14 were saved."""
    loss_function, calls = training.noise_prediction_loss, []

    def breaks(*arguments, **options):
        calls.append(1)
        return loss_function(*arguments, **options) * (float("nan") if len(calls) > 17 else 1)

    monkeypatch.setattr(training, "noise_prediction_loss", breaks)
    assert main(command(data, tmp_path)[3:]) == 1
    assert "gradient nan at step 18" in capsys.readouterr().err
    assert int(load_tensors(tmp_path / "run.safetensors")[0]["step"]) == 14
    assert load_checkpoint(tmp_path / "model.safetensors").facts["step"] == 14


def test_a_kill_between_the_last_two_files_loses_nothing(data, tmp_path, monkeypatch):
    """The model is written before the state that says that all is done."""
    save_tensors, written, last_step = run_folder.save_tensors, [], 3 * STEPS_AN_EPOCH

    def dies_at_the_end(path, tensors, facts):
        written.append(int(tensors["step"]))
        if written[-1] == last_step:
            raise SystemExit("killed")
        save_tensors(path, tensors, facts)

    monkeypatch.setattr(run_folder, "save_tensors", dies_at_the_end)
    with pytest.raises(SystemExit):
        main(command(data, tmp_path, "--epochs", "3")[3:])
    monkeypatch.undo()
    assert main(command(data, tmp_path, "--epochs", "3", "--resume")[3:]) == 0
    names = visible(tmp_path)
    assert names == ["losses.png", "model.safetensors", "run.safetensors", f"sheet-{last_step:06d}.png"]
    assert load_checkpoint(tmp_path / "model.safetensors").facts["step"] == last_step


@posix
def test_ctrl_c_while_a_sheet_is_drawn_saves_too(data, tmp_path, monkeypatch, capsys):
    def interrupted(out, step, schedule, stop):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(train, "draw_sheet", interrupted)
    assert main(command(data, tmp_path, "--sheets", "10")[3:]) == 130
    stopped = int(re.search(r"stopped after step (\d+) of 220, all saved", capsys.readouterr().out).group(1))
    assert stopped == 22 + 1
    assert int(load_tensors(tmp_path / "run.safetensors")[0]["step"]) == stopped


def test_ruined_weights_are_not_saved(data, tmp_path, capsys):
    """An update far too large: the loss before it was finite, and nothing after it is."""
    more = ["--learning-rate", "1e30", "--warmup-steps", "0", "--save-every", "1"]
    assert main(command(data, tmp_path, *more)[3:]) == 1
    assert "the weights are ruined at step 1" in capsys.readouterr().err
    assert not (tmp_path / "run.safetensors").exists()


def test_a_foreign_file_is_no_state(data, tmp_path, capsys):
    save_checkpoint(tmp_path / "run.safetensors", ContextUnet(3, 8, 2, 8), NoiseSchedule.linear())
    assert main(command(data, tmp_path, "--resume")[3:]) == 1
    assert "run.safetensors is not the state of a training run" in capsys.readouterr().err


def test_a_run_can_start_from_the_weights_of_another(whole, data, tmp_path, capsys):
    first = whole[0] / "model.safetensors"
    common = ["--data", str(data), "--batch-size", "16", "--epochs", "1", "--sheets", "0", "--n-feat", "8"]
    slow = ["--learning-rate", "1e-12", "--start-from", str(first)]
    assert main([*common, *slow, "--out", str(tmp_path / "second")]) == 0
    second = load_checkpoint(tmp_path / "second" / "model.safetensors")
    for (name, a), b in zip(load_checkpoint(first).model.named_parameters(), second.model.parameters()):
        assert torch.allclose(a, b, atol=1e-6), name
    assert second.facts["settings"]["start_from"] == str(first)
    gone = tmp_path / "gone.safetensors"
    gone.write_bytes(first.read_bytes())
    slow[-1], again = str(gone), ["--out", str(tmp_path / "again")]
    assert main([*common, *slow, *again]) == 0
    gone.unlink()
    assert main([*common, *slow, *again, "--resume"]) == 0, "its weights are in the state"
    slow[-1] = str(first)
    capsys.readouterr()
    wider = ["--n-feat", "16", *slow, "--out", str(tmp_path / "wider")]
    assert main([*common, *wider]) == 0
    x, t = torch.randn(4, 3, 8, 8), torch.rand(4)
    with torch.no_grad():
        narrow = load_checkpoint(first).model(x, t)
        got = load_checkpoint(tmp_path / "wider" / "model.safetensors").model(x, t)
    assert torch.allclose(got, narrow, atol=0.05), (
        "widened; one epoch has moved BatchNorm's averages a little"
    )
    capsys.readouterr()
    other = ["--n-feat", "24", "--start-from", str(first), "--out", str(tmp_path / "third")]
    assert main([*common, *other]) == 1
    says = "a model to start from must draw images 3 x 8 x 8 and have n_feat 24 or 12, "
    assert f"{says}got one that draws images 3 x 8 x 8 and has 8\n" in capsys.readouterr().err


def test_a_run_of_other_classes_can_start_from_a_model(whole, data, tmp_path, capsys):
    """Finer ones as the class before the slash, unknown ones as none."""
    first, other = whole[0] / "model.safetensors", tmp_path / "other.npz"
    names = ["0/a", "1/a", "cat", "0"]
    np.savez(other, images=np.load(data)["images"], labels=np.arange(200) % 4, class_names=names)
    options = ["--batch-size", "16", "--epochs", "1", "--sheets", "0", "--n-feat", "8"]
    options += ["--learning-rate", "1e-12", "--start-from", str(first)]
    assert main(["--data", str(other), *options, "--out", str(tmp_path / "fine")]) == 0
    assert "3 of 4 classes begin as one that the model has; as no class: cat\n" in capsys.readouterr().out
    made = load_checkpoint(tmp_path / "fine" / "model.safetensors")
    assert made.class_names == tuple(names)
    begun = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    old, new = load_checkpoint(first).model.state_dict(), made.model.state_dict()
    for name in CONTEXT_WEIGHTS:
        assert torch.allclose(new[name], old[name] @ begun.T, atol=1e-6), name


def test_a_sheet_of_many_classes_shows_ten_from_the_first_to_the_last(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(run_folder, "guided", lambda model, schedule, context: asked.append(context))
    monkeypatch.setattr(run_folder, "clipped", lambda predict_noise, schedule: lambda x_t, t: x_t)
    model = ContextUnet(3, 8, 92, 8)
    step = SimpleNamespace(run=SimpleNamespace(ema_model=model), losses=torch.zeros(1), step=3)
    run_folder.draw_sheet(tmp_path, step, NoiseSchedule.linear(5), SimpleNamespace(asked=False))
    shown = asked[0].argmax(dim=1).view(10, 8)
    assert shown[:, 0].tolist() == [0, 10, 20, 30, 40, 51, 61, 71, 81, 91] and (shown == shown[:, :1]).all()
    assert (tmp_path / "sheet-000003.png").exists()


def test_ctrl_c_ends_a_sheet_after_the_forward_that_it_comes_in(tmp_path, monkeypatch):
    stop, calls = SimpleNamespace(asked=False), []

    def predict_noise(x_t, t):
        calls.append(t)
        stop.asked = len(calls) == 2
        return x_t

    monkeypatch.setattr(run_folder, "clipped", lambda plain, schedule: predict_noise)
    model = ContextUnet(3, 8, 2, 8).eval()
    step = SimpleNamespace(run=SimpleNamespace(ema_model=model), losses=torch.zeros(1), step=3)
    run_folder.draw_sheet(tmp_path, step, NoiseSchedule.linear(9), stop)
    assert calls == [9, 8] and not list(tmp_path.iterdir())


def test_the_rate_of_the_classes_reaches_the_training(data, tmp_path):
    common = ["--data", str(data), "--batch-size", "16", "--epochs", "1", "--sheets", "0", "--n-feat", "8"]
    columns = []
    for rate in ("1", "5"):
        out = tmp_path / rate
        assert main([*common, "--class-rate", rate, "--out", str(out)]) == 0
        columns.append(load_checkpoint(out / "model.safetensors").model.state_dict()[CONTEXT_WEIGHTS[0]])
    assert not torch.allclose(*columns, atol=1e-3)


def test_which_precision_is_taken():
    cpu = torch.device("cpu")
    assert is_mixed("bfloat16", cpu) and not is_mixed("float32", cpu)
    assert is_mixed("auto", cpu) == knows_bfloat16(cpu)
    with pytest.raises(ValueError, match='precision must be "auto", "float32" or "bfloat16", got \'half\''):
        is_mixed("half", cpu)
