"""Training from a terminal: python -m diffusion_lib.train --data sprites --epochs 50 --out runs/mine

Writes to the folder --out:
    model.safetensors   the averaged model, for load_checkpoint
    run.safetensors     everything that --resume needs to go on bit for bit
    sheet-NNNNNN.png    samples after so many steps, a row for each of at most ten classes (DDIM, 50 steps)
    losses.png          the loss by epoch and by t

Several graphics cards or machines: accelerate launch -m diffusion_lib.train ..., with the same options.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from .checkpoints import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from .data import ImageData, load_images
from .devices import choose_device, is_mixed
from .guidance import clipped, guided
from .interrupt import StopOnSignal
from .limits import check_weights
from .plots import draw_without_windows, plot_losses, save_figure, save_png, sheet
from .processes import find_processes
from .samplers import sample_ddim
from .schedule import NoiseSchedule
from .training import TrainingStep, train
from .unet import ContextUnet
from .widening import load_from

SAME = (
    "epochs", "n_feat", "batch_size", "learning_rate", "warmup_steps", "context_dropout",
    "weighting", "draw_t", "class_rate", "ema_decay", "seed", "schedule", "num_steps", "beta_start",
    "beta_end", "start_from", "precision",
)  # what a resumed run must share with its beginning  # fmt: skip


def parse(arguments: list[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(
        prog="python -m diffusion_lib.train",
        description="Train a ContextUnet. Ctrl-C stops cleanly; the same command with --resume goes on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument("--data", default="sprites", help="sprites, kinds, digits, mnist, a folder, .npz or .npy")
    p.add_argument("--labels", help="the .npy of labels that belongs to a --data of .npy")
    p.add_argument("--epochs", type=int, required=True, help="how often to go through the data")
    p.add_argument("--out", type=Path, required=True, help="folder for the model, the state and the sheets")
    p.add_argument("--resume", action="store_true", help="go on where --out stands; start if it is empty")
    p.add_argument("--device", default="auto", help="auto (cuda, mps, cpu, in that order) or one of them")
    p.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto",
        help="of the convolutions; auto is bfloat16 where the processor has it and is faster so",
    )  # fmt: skip
    p.add_argument("--n-feat", type=int, default=32, help="width of the network, a multiple of 8")
    p.add_argument("--batch-size", type=int, default=64, help="images a step")
    p.add_argument("--learning-rate", type=float, default=4e-3, help="highest of Adam; less if wider")
    p.add_argument("--warmup-steps", type=int, default=50, help="steps up to that rate")
    p.add_argument("--context-dropout", type=float, default=0.1, help="share of images without their class")
    p.add_argument("--ema-decay", type=float, default=0.999, help="share of the average kept at each step")
    p.add_argument("--weighting", choices=("none", "debiased", "clean"), default="none", help="of the loss")
    p.add_argument("--draw-t", choices=("uniform", "middle", "high"), default="middle", help="odds of t")
    p.add_argument("--class-rate", type=float, default=1.0, help="the classes' columns learn so much faster")
    p.add_argument("--start-from", help="a checkpoint: its width or half of it, classes by name")
    p.add_argument("--seed", type=int, default=0, help="of the weights and of all that is drawn")
    p.add_argument("--schedule", choices=("linear", "cosine"), default="linear", help="noise schedule")
    p.add_argument("--num-steps", type=int, default=500, help="T, the steps of the schedule")
    p.add_argument("--beta-start", type=float, default=2e-4, help="beta at t = 1 (linear)")
    p.add_argument("--beta-end", type=float, default=0.04, help="beta at t = T (linear)")
    p.add_argument("--save-every", type=int, default=500, help="steps between two saved states")
    p.add_argument("--sheets", type=int, default=8, help="how many sample sheets to draw along the run")
    p.add_argument("--compile", action="store_true", help="compile the network first (needs a C++ compiler)")
    return p.parse_args(arguments)


def take_up(path: Path, settings: dict) -> tuple[dict | None, float]:
    """The saved state and the seconds it took, or None. ValueError if it is of another run."""
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
    save_checkpoint(out / "model.safetensors", step.run.ema_model, schedule, **facts)
    save_tensors(out / "run.safetensors", step.run.tensors(), {"settings": settings, "seconds": seconds})


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


def begin(
    options: argparse.Namespace, data: ImageData, is_new: bool, say: Callable[[str], None]
) -> tuple[ContextUnet, NoiseSchedule]:
    """The network with its first weights and the noise schedule, as the options say."""
    if options.schedule == "cosine":
        schedule = NoiseSchedule.cosine(options.num_steps)
    else:
        schedule = NoiseSchedule.linear(options.num_steps, options.beta_start, options.beta_end)
    torch.manual_seed(options.seed)  # for the first weights; `train` has its own generator
    channels, height = data.images.shape[1:3]
    model = ContextUnet(channels, options.n_feat, data.labels.shape[1], height)
    if options.start_from and is_new:  # a run that goes on has its weights in its state
        begun = load_checkpoint(options.start_from)
        say(load_from(begun.model, begun.class_names, model, data.class_names))
    if options.compile:
        model.compile()
    return model, schedule


def run(options: argparse.Namespace) -> int:
    """Trains to the end or to Ctrl-C and gives the exit status: 0, or 130 after Ctrl-C.

    Of several processes all train, and the first one alone writes and speaks.
    """
    draw_without_windows()
    device = choose_device(options.device)
    processes = find_processes(cpu=device.type == "cpu")
    device, is_first = processes.device or device, processes.index == 0
    say = print if is_first else lambda text: None
    data = load_images(options.data, labels=options.labels)
    say(data.in_words())
    settings = {name: getattr(options, name) for name in SAME} | {"class_names": [*data.class_names]}
    settings |= {"data": Path(options.data).name, "data_sha256": data.fingerprint()}
    state_file = options.out / "run.safetensors"
    if state_file.exists() and not options.resume:
        raise ValueError(f"{state_file} is there already: add --resume to go on, or choose another --out")
    if not options.resume and (options.out / "model.safetensors").exists():  # its state was deleted
        raise ValueError(f"{options.out / 'model.safetensors'} is there already: choose another --out")
    if options.save_every < 1 or options.sheets < 0:
        raise ValueError(f"--save-every must be at least 1 and --sheets at least 0, got {options.save_every} "
                         f"and {options.sheets}")  # fmt: skip
    state, seconds_before = take_up(state_file, settings)
    for left_over in options.out.glob("*.[0-9]*.tmp") if is_first else ():  # of a run killed while it saved
        left_over.unlink()
    model, schedule = begin(options, data, state is None, say)
    steps = train(
        model.to(device), schedule, data, num_epochs=options.epochs, batch_size=options.batch_size,
        learning_rate=options.learning_rate, warmup_steps=options.warmup_steps, seed=options.seed,
        context_dropout=options.context_dropout, weighting=options.weighting, draw_t=options.draw_t,
        class_rate=options.class_rate, ema_decay=options.ema_decay, resume=state, processes=processes,
        mixed_precision=is_mixed(options.precision, device),
    )  # fmt: skip
    num_steps = options.epochs * (len(data) // max(options.batch_size, 1))  # `train` refuses 0 and less
    done = int(state["step"]) if state else 0
    processes.check_equal(done, f"the step saved in {options.out}, a folder that all must see,")
    if done:
        say(f"going on after step {done} of {num_steps}")
    sheet_at = {round(num_steps * (i + 1) / options.sheets) for i in range(options.sheets)}
    start, average, step = time.monotonic(), None, None
    progress = tqdm(total=num_steps * options.batch_size, initial=done * options.batch_size, unit="img",
                    unit_scale=True, desc=str(options.out), dynamic_ncols=True, smoothing=0.02,
                    disable=not is_first)  # fmt: skip
    with StopOnSignal() as stop, progress:
        for step in steps:
            average = step.loss if average is None else 0.98 * average + 0.02 * step.loss
            progress.set_postfix(loss=f"{average:.4f}", epoch=step.epoch, refresh=False)
            progress.update(options.batch_size)
            # Asked once: a Ctrl-C from here on is seen at the next step. All processes stop at the same one.
            stopping = processes.any(stop.asked)
            if step.step % options.save_every == 0 or step.step == num_steps or stopping:
                check_weights(step.run.model, step.step)
                if is_first:
                    save(options.out, step, schedule, settings, seconds_before + time.monotonic() - start)
            if step.step in sheet_at and is_first and not stopping:  # now a picture that fails costs nothing
                draw_sheet(options.out, step, schedule, stop)
            if (step.step == num_steps or stopping) and is_first:
                draw_losses(options.out, step, schedule)
            if stopping:
                break
    processes.close()
    if step is None:
        say(f"{options.out} is complete: {num_steps} steps were done before")
        return 0
    if step.step < num_steps:
        say(f"stopped after step {step.step} of {num_steps}, all saved; add --resume to go on")
        return 130
    say(f"done: {options.out / 'model.safetensors'}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a class may have a name that the terminal cannot show
    try:
        return run(parse(arguments))
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:  # before the first step, or a second time
        print("stopped; what was saved before is whole", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
