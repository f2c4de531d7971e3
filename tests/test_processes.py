"""Several processes train one model: two on this CPU, started by accelerate launch, and one writer."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from diffusion_lib.checkpoints import load_checkpoint, load_tensors
from diffusion_lib.data import ImageData
from diffusion_lib.processes import LaunchedProcesses, OneProcess, find_processes
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.train import main
from diffusion_lib.training import train
from diffusion_lib.unet import ContextUnet

pytest.importorskip("accelerate", reason="accelerate is not installed")
posix = pytest.mark.skipif(os.name != "posix", reason="processes are forked and killed as on Linux and macOS")
ROOT = Path(__file__).parent.parent
NUM_STEPS = 12 * (180 // 16)


def launch(*arguments):
    """Starts two processes of a program, on the CPU."""
    # --multi_gpu is the launcher's word for several processes; they take the CPU by --device cpu.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", "0", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def frozen_model():
    """A network whose BatchNorm stays in evaluation mode: an image's loss is then its own affair."""
    torch.manual_seed(0)
    model = ContextUnet(1, 8, 2, 8).eval()
    model.train = lambda mode=True: model
    return model


def first_gradients(processes):
    """The gradients of one step on a batch of 16, by name."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(32, 1, 8, 8, generator=generator) * 2 - 1
    data = ImageData(images, torch.eye(2)[torch.arange(32) % 2], ("a", "b"))
    model, schedule = frozen_model(), NoiseSchedule.linear(100)
    step = next(train(model, schedule, data, num_epochs=1, batch_size=16, processes=processes))
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return gradients | {"losses": step.losses, "t": step.t}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start_two(fork, function, *arguments):
    """Two processes that run a function in the environment that a launcher gives, without its start."""
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    ranks = [told | {"RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
    return [fork(as_told, environment, function, *arguments) for environment in ranks]


def as_told(environment, function, *arguments):
    os.environ |= environment
    sys.exit(function(*arguments))


def save_gradients(path):
    """What each of two processes has after a step; and what they can ask each other."""
    processes = find_processes(cpu=True)
    assert processes.count == 2
    save_file({k: v.contiguous() for k, v in first_gradients(processes).items()}, f"{path}{processes.index}")
    assert processes.any(processes.index == 1) and not processes.any(False)
    processes.check_equal(5, "five")
    with pytest.raises(ValueError, match=r"^the index must be the same in all processes, got \[0, 1\]$"):
        processes.check_equal(processes.index, "the index")
    processes.close()


def test_two_halves_give_the_gradient_of_the_whole_batch(fork, tmp_path):
    """One step, BatchNorm frozen, the noise cut from one draw: equal to 1e-6 of the largest entry."""
    two = start_two(fork, save_gradients, tmp_path / "gradients")
    deadline = time.monotonic() + 240
    while any(process.is_alive() for process in two) and time.monotonic() < deadline:
        time.sleep(0.02)
        if any(process.exitcode for process in two):
            break  # the other one waits for it
    assert [process.exitcode for process in two] == [0, 0]
    first, second = (load_tensors(tmp_path / f"gradients{index}")[0] for index in range(2))
    whole = first_gradients(OneProcess())
    assert first.keys() == second.keys() == whole.keys()
    for name, expected in whole.items():
        assert torch.equal(first[name], second[name]), f"{name}: the processes have drifted apart"
        assert (first[name] - expected).abs().max() <= 1e-6 * max(1, expected.abs().max().item()), name
    assert whole["out.3.weight"].abs().max() > 1e-3, "there is something to compare"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two kinds of small picture, which a network tells apart in a few epochs."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    images = (60 + 120 * labels[:, None, None] + rng.integers(-40, 40, (200, 8, 8))).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, images=images, labels=labels)
    return path


def options(data, out, seed=0):
    fixed = ["--epochs", 12, "--n-feat", 8, "--batch-size", 16, "--save-every", 7, "--sheets", 1]
    where = ["--data", data, "--out", out, "--device", "cpu", "--precision", "float32", "--seed", seed]
    return [*map(str, where + fixed)]


def curve(out):
    """The mean loss of each epoch."""
    total, count = load_tensors(out / "run.safetensors")[0]["loss_history"].sum(dim=2).T
    return total / count


@pytest.fixture(scope="module")
def single(processes, data, tmp_path_factory):
    """The same run by one process, with three seeds. Only the first draws a sheet: its files are compared."""
    folders = [tmp_path_factory.mktemp("single") for _ in range(3)]
    asked = [
        [*options(data, folder, seed), "--sheets", "0" if seed else "1"]
        for seed, folder in enumerate(folders)
    ]
    runs = [processes.Process(target=as_told, args=({}, main, arguments), daemon=True) for arguments in asked]
    for run in runs:  # side by side, to save time
        run.start()
    for run in runs:
        run.join(240)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    return folders


def test_two_processes_learn_as_one_does_and_one_of_them_writes(data, single, tmp_path):
    process = launch("-m", "diffusion_lib.train", *options(data, tmp_path))
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert output.count("done:") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in single[0].iterdir())
    facts = load_checkpoint(tmp_path / "model.safetensors").facts
    assert facts["step"] == NUM_STEPS and facts["images_seen"] == NUM_STEPS * 16
    curves = torch.stack([curve(folder) for folder in single])
    difference = (curve(tmp_path) - curves[0]).abs().mean()
    assert difference <= (curves.max(dim=0).values - curves.min(dim=0).values).mean()
    assert difference > 0, "each process has BatchNorm's statistics of its own half"


@posix
def test_two_killed_processes_are_taken_up_by_one(fork, data, single, tmp_path, capsys):
    two = start_two(fork, main, options(data, tmp_path))
    state, deadline = tmp_path / "run.safetensors", time.monotonic() + 240
    while two[0].is_alive() and not state.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    for process in two:
        process.kill()
    for process in two:
        process.join(60)
    saved = int(load_tensors(state)[0]["step"])
    assert saved < NUM_STEPS, "it was still running"
    assert main([*options(data, tmp_path), "--resume"]) == 0
    assert f"going on after step {saved} of {NUM_STEPS}" in capsys.readouterr().out
    curves = torch.stack([curve(folder) for folder in single])
    spread = (curves.max(dim=0).values - curves.min(dim=0).values).mean()
    assert (curve(tmp_path) - curves[0]).abs().mean() <= spread


@posix
def test_ctrl_c_stops_both_at_the_same_step(data, tmp_path):
    long = [*options(data, tmp_path), "--epochs", "2000", "--sheets", "0"]
    process = launch("-m", "diffusion_lib.train", *long)
    state, deadline = tmp_path / "run.safetensors", time.monotonic() + 240
    while process.poll() is None and not state.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)  # the launcher hands it on
    output = process.communicate(timeout=120)[0]
    assert output.count(", all saved; add --resume to go on") == 1
    assert f"stopped after step {int(load_tensors(state)[0]['step'])} of" in output
    assert not list(tmp_path.glob("*.tmp"))


def test_a_batch_that_cannot_be_cut_is_refused():
    images = torch.zeros(32, 1, 8, 8)
    data = ImageData(images, torch.eye(2)[torch.arange(32) % 2], ("a", "b"))
    steps = train(frozen_model(), NoiseSchedule.linear(100), data, num_epochs=1, batch_size=16,
                  processes=SimpleNamespace(count=3))  # fmt: skip
    with pytest.raises(ValueError, match="batch_size must be divisible by 3 processes, got 16"):
        next(steps)


def test_without_a_launcher_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert type(find_processes()) is OneProcess
    batch = torch.arange(6)
    assert torch.equal(OneProcess().own(batch), batch) and OneProcess().gather(batch) is batch


def test_without_accelerate_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ValueError, match="several processes need the package accelerate: python -m pip"):
        LaunchedProcesses(cpu=True)
