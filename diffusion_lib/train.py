"""Training from a terminal: python -m diffusion_lib.train --data sprites --epochs 50 --out runs/mine

Writes the model, its state, sheets of samples and the losses to the folder --out, see run_folder.py.
Several graphics cards or machines: accelerate launch -m diffusion_lib.train ..., with the same options.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from .checkpoints import load_checkpoint
from .data import ImageData, load_images
from .devices import choose_device, is_mixed
from .interrupt import StopOnSignal
from .limits import check_arguments, check_weights
from .plots import draw_without_windows
from .processes import OneProcess, find_processes
from .run_folder import MODEL, draw_losses, draw_sheet, held, save, take_up
from .schedule import NoiseSchedule
from .training import train
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
    if options.save_every < 1 or options.sheets < 0:
        raise ValueError(f"--save-every must be at least 1 and --sheets at least 0, got {options.save_every} "
                         f"and {options.sheets}")  # fmt: skip
    device = choose_device(options.device)
    processes = find_processes(cpu=device.type == "cpu")
    say = print if processes.index == 0 else lambda text: None
    data = load_images(options.data, labels=options.labels)
    say(data.in_words())
    with held(options.out, options.resume, by_me=processes.index == 0):
        return run_in_folder(options, data, processes.device or device, processes, say)


def run_in_folder(
    options: argparse.Namespace,
    data: ImageData,
    device: torch.device,
    processes: OneProcess,
    say: Callable[[str], None],
) -> int:
    """What `run` does once the data is read and the folder is its own."""
    is_first = processes.index == 0
    settings = {name: getattr(options, name) for name in SAME} | {"class_names": [*data.class_names]}
    settings |= {"data": Path(options.data).name, "data_sha256": data.fingerprint()}
    state, seconds_before = take_up(options.out, settings)
    model, schedule = begin(options, data, state is None, say)
    num_steps = options.epochs * check_arguments(
        model, data, options.epochs, options.batch_size, options.learning_rate, options.context_dropout,
        options.ema_decay, processes.count,
    )  # fmt: skip
    steps = train(
        model.to(device), schedule, data, num_epochs=options.epochs, batch_size=options.batch_size,
        learning_rate=options.learning_rate, warmup_steps=options.warmup_steps, seed=options.seed,
        context_dropout=options.context_dropout, weighting=options.weighting, draw_t=options.draw_t,
        class_rate=options.class_rate, ema_decay=options.ema_decay, resume=state, processes=processes,
        mixed_precision=is_mixed(options.precision, device),
    )  # fmt: skip
    done = int(state["step"]) if state else 0
    processes.check_equal(done, f"the step saved in {options.out}, a folder that all must see,")
    if done:
        say(f"going on after step {done} of {num_steps}")
    sheet_at = {round(num_steps * (i + 1) / options.sheets) for i in range(options.sheets)}
    start, average, step = time.monotonic(), None, None
    progress = tqdm(total=num_steps * options.batch_size, initial=done * options.batch_size, unit="img",
                    unit_scale=True, desc=str(options.out), dynamic_ncols=True, smoothing=0.02,
                    disable=not is_first, delay=1e-3)  # none before the first step  # fmt: skip
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
    say(f"done: {options.out / MODEL}")
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
