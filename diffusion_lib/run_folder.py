"""The folder of a training run: whose it is, and what is written to it.

model.safetensors   the averaged model, for load_checkpoint
run.safetensors     everything that --resume needs to go on bit for bit
sheet-NNNNNN.png    samples after so many steps, a row for each of at most ten classes (DDIM, 50 steps)
losses.png          the loss by epoch and by t
.lock               held by the training that is running; it stays, and means nothing by itself
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from .checkpoints import load_tensors, save_checkpoint, save_tensors
from .guidance import clipped, guided
from .interrupt import StopOnSignal
from .plots import plot_losses, save_figure, save_png, sheet
from .samplers import sample_ddim
from .schedule import NoiseSchedule
from .training import TrainingStep

MODEL, STATE = "model.safetensors", "run.safetensors"


@contextmanager
def held(out: Path, resume: bool, by_me: bool = True) -> Iterator[None]:
    """Makes the folder, and keeps other trainings out of it until this one has ended, however it ends.

    Raises ValueError if it cannot be a folder, if another training is in it, or if it holds a run or a model
    that would be overwritten: `resume` alone takes up a run. Of several processes of one training all check
    the folder, and one holds it: by_me.
    """
    there = next((path for path in (out, *out.parents) if path.exists()), None)
    if there is not None and not there.is_dir():
        raise ValueError(f"--out must be a folder, and {there} is a file")
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock", timeout=0)
    try:
        if by_me:
            lock.acquire()
    except Timeout as error:
        raise ValueError(f"{out} is in use by another training: wait, or choose another --out") from error
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP):  # a file system without locks
            raise
    try:
        if (out / STATE).exists() and not resume:
            raise ValueError(
                f"{out / STATE} is there already: add --resume to go on, or choose another --out"
            )
        if (out / MODEL).exists() and not resume:  # its state was deleted
            raise ValueError(f"{out / MODEL} is there already: choose another --out")
        for left_over in out.glob("*.[0-9]*.tmp") if by_me else ():  # of a run killed while it saved
            left_over.unlink()
        yield
    finally:
        lock.release()


def take_up(out: Path, settings: dict) -> tuple[dict | None, float]:
    """The saved state and the seconds it took, or None. ValueError if it is of another run."""
    path = out / STATE
    if not path.exists():
        return None, 0.0
    tensors, facts = load_tensors(path)
    if "settings" not in facts:
        raise ValueError(f"{path} is not the state of a training run")
    made_with = {"draw_t": "uniform", "class_rate": 1.0} | facts["settings"]  # older ones know no others
    for name, value in settings.items():
        if name in ("data", "class_names") or made_with.get(name) == value:  # files may be renamed
            continue
        if name == "data_sha256":
            raise ValueError(f"{path} was made with other images, or with these in another order")
        hint = "; to train on: --start-from its model, with another --out" if name == "epochs" else ""
        raise ValueError(f"{path} was made with {name} = {made_with.get(name)}, got {value}{hint}")
    return tensors, facts["seconds"]


def save(out: Path, step: TrainingStep, schedule: NoiseSchedule, settings: dict, seconds: float) -> None:
    """The model first, then the state: a kill between the two leaves a state that makes the model again."""
    facts = {"settings": settings, "seconds": round(seconds), "step": step.step, "loss": step.loss}
    facts |= {"images_seen": step.step * settings["batch_size"], "device": str(step.losses.device)}
    save_checkpoint(out / MODEL, step.run.ema_model, schedule, **facts)
    save_tensors(out / STATE, step.run.tensors(), {"settings": settings, "seconds": seconds})


def draw_sheet(out: Path, step: TrainingStep, schedule: NoiseSchedule, stop: StopOnSignal) -> None:
    """Eight samples of each class, at most ten classes, always from one noise. After Ctrl-C there is none."""
    model, device = step.run.ema_model, step.losses.device
    shown = torch.linspace(0, model.n_cfeat - 1, min(model.n_cfeat, 10)).round().long()
    context = torch.eye(model.n_cfeat)[shown].repeat_interleave(8, dim=0)
    generator = torch.Generator().manual_seed(0)
    x_T = torch.randn(len(context), model.in_channels, model.height, model.height, generator=generator)
    predict_noise = clipped(guided(model, schedule, context), schedule)
    for drawn in sample_ddim(predict_noise, schedule, x_T.to(device), num_steps=min(50, schedule.num_steps)):
        if stop.asked:  # of large pictures a sheet takes minutes
            return
        images = drawn.x_t
    save_png(out / f"sheet-{step.step:06d}.png", sheet(images, columns=8))


def draw_losses(out: Path, step: TrainingStep, schedule: NoiseSchedule) -> None:
    """The loss of each epoch, and of the last one by t."""
    by_epoch = step.run.loss_history.sum(dim=2)
    figure = plot_losses(by_epoch[:, 0] / by_epoch[:, 1], step.run.loss_by_t(), schedule.num_steps, "epoch")
    save_figure(out / "losses.png", figure)
