"""Quality for the same time: python -m benchmarks.recipes trains five recipes for five minutes each.

Each finished run is written at once and not made again: the same command goes on with the next one, and with
--results NEW_FOLDER it makes all of them anew. With --name and --set it tries a variant of ours:
--name d-48 --set n_feat=48 --set learning_rate=3e-3
"""

import argparse
import datetime
import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import torch
from tqdm import tqdm

from diffusion_lib.data import load_images
from diffusion_lib.devices import is_mixed
from diffusion_lib.files import write_text
from diffusion_lib.plots import save_png, sheet

from .judges import DATA, Judge, find_judge
from .ours import OURS, Ours
from .peers import (
    CPU,
    DIFFUSERS,
    FASTER,
    REFERENCE,
    Clock,
    Diffusers,
    Labs,
    LabsWithBug,
    Recipe,
)
from .recipes_report import report, report_trials
from .timing import processor

RESULTS = Path(__file__).parent / "results"
RECIPES = {
    "a": (Labs, REFERENCE),
    "b": (LabsWithBug, REFERENCE),
    "c": (Diffusers, DIFFUSERS),
    "c2": (Diffusers, FASTER),
    "d": (Ours, OURS),
}
SAME_RUN = ("recipe", "data", "seed", "minutes", "threads", "samples", "machine", "bfloat16")
BATCH = 100  # samples drawn at a time


def all_recipes(folder: Path = RESULTS) -> list[str]:
    """Every run that is not stored yet (three seeds of sprites, one of digits), then all as Markdown."""
    for arguments in (["--data", "sprites"], ["--data", "digits", "--seeds", "0"]):
        if status := main([*arguments, "--results", str(folder)]):
            raise SystemExit(status)  # it has said why; the other parts are stored
    records = load(folder / "recipes.json")
    return report(records) + report_trials(load(folder / "trials.json"), records)


def load(path: Path) -> list[dict]:
    """The stored runs, none if there is no file. ValueError if it is not a list of runs."""
    if not path.exists():
        return []
    records = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(records, list):
        raise ValueError(f"{path} must hold a list of runs, got {type(records).__name__}")
    return records


def store(path: Path, record: dict) -> None:
    """Adds a run to the file, or puts it in the place of the same run with older settings."""
    records = [other for other in load(path) if not same_run(other, record)] + [record]
    write_text(path, json.dumps(records, indent=1) + "\n")


def same_run(one: dict, other: dict) -> bool:
    """Whether two runs differ at most in the settings of their recipe."""
    return all(one[name] == other[name] for name in SAME_RUN)


def do_run(recipe: Recipe, judge: Judge, minutes: float, samples: int, title: str, picture: Path) -> dict:
    """Trains, draws and measures: what is stored of it. The first samples go into the picture."""
    threads = torch.get_num_threads()
    bar_format = "{desc} {percentage:3.0f}% |{bar}| {n:.0f} of {total:.0f} s"
    with tqdm(total=60 * minutes, desc=title, bar_format=bar_format, dynamic_ncols=True, leave=False) as bar:
        clock = Clock(60 * minutes, bar)
        steps = recipe.fit(clock)
    num_classes = recipe.data.labels.shape[1]
    labels = torch.eye(num_classes)[torch.arange(samples) % num_classes]
    size = (samples, recipe.channels, recipe.height, recipe.height)
    x_T = torch.randn(size, generator=torch.Generator().manual_seed(recipe.seed))
    parts = list(zip(x_T.split(BATCH), labels.split(BATCH)))
    start = time.perf_counter()
    # On the shipped model bfloat16 moved the distance from 79.0 to 78.8. Seconds here, not minutes.
    with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed("auto", CPU)):
        bar = tqdm(parts, desc=f"{title}, samples", dynamic_ncols=True, leave=False)
        images = torch.cat([recipe.draw(*part) for part in bar])
    sampling_seconds = time.perf_counter() - start
    save_png(picture, sheet(images[: 10 * num_classes].clamp(-1, 1), columns=num_classes))
    parameters, mflop = recipe.size()
    return judge.measure(images, labels) | {
        "images_seen": steps * recipe.batch_size,
        "steps": steps,
        "seconds": round(clock.spent, 2),
        # Under 1: the processor was not ours alone, or it waited.
        "busy": round(clock.processor_seconds / clock.spent / threads, 3),
        "sampling_seconds": round(sampling_seconds, 1),
        "parameters": parameters,
        "mflop_an_image": mflop,
    }


def run_all(options: argparse.Namespace, chosen: dict, path: Path) -> None:
    """All runs that are not stored yet, seed by seed."""
    data = {name: load_images(name) for name in options.data}
    judges, floors = {}, {}
    runs = [(s, d, r) for s in options.seeds for d in options.data for r in chosen]
    if {"c", "c2"} & set(chosen) and find_spec("diffusers") is None:  # now, and not after an hour
        raise ValueError("(c) and (c2) need diffusers: python -m pip install -r requirements-test.txt")
    facts = {"minutes": options.minutes, "threads": options.threads, "samples": options.samples}
    facts |= {"machine": processor(), "bfloat16": is_mixed("auto", CPU)}
    for number, (seed, name, key) in enumerate(runs, start=1):
        kind, settings = chosen[key]
        run = {"recipe": key, "data": name, "seed": seed} | facts
        title = f"{number}/{len(runs)} {name}, seed {seed}, ({key})"
        before = [other for other in load(path) if same_run(other, run)]
        if before and before[0]["settings"] == settings:
            print(f"{title}: there already, distance {before[0]['frechet']:.2f}")
            continue
        if before and options.name:
            raise ValueError(f"--name {key} has other settings in {path.name}: choose another name")
        if name not in judges:
            judges[name] = find_judge(name, data[name])
            floors[name] = judges[name].measure_floor()
        measured = do_run(
            kind(data[name], seed, settings), judges[name], options.minutes, options.samples, title,
            path.parent / "sheets" / f"{name}-{key}-{seed}.png",
        )  # fmt: skip
        run |= {"settings": settings} | measured | {"floor": floors[name]}
        run |= {"date": datetime.date.today().isoformat(), "torch": torch.__version__}
        store(path, run)
        print(f"{title}: distance {run['frechet']:.2f}, accuracy {run['accuracy']:.1%}, "
              f"{run['images_seen']:,} images in {run['seconds']:.1f} s")  # fmt: skip


def variant(pairs: list[str]) -> dict:
    """Our settings with some of them changed, from "name=value". ValueError for what there is not."""
    settings = dict(OURS)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if name not in settings or not equals:
            raise ValueError(f"--set must be name=value with a name of {', '.join(settings)}, got {pair!r}")
        kind = type(OURS[name])
        try:
            settings[name] = kind(text)
        except ValueError as error:
            raise ValueError(f"--set {name} must be of type {kind.__name__}, got {text!r}") from error
    return settings


def parse(arguments: list[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.recipes",
        description="Trains each recipe for the same time. Ctrl-C stops; the same command goes on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument("--minutes", type=float, default=5, help="of training, for each run")
    p.add_argument("--seeds", default="0,1,2")
    p.add_argument("--data", default=",".join(DATA))
    p.add_argument("--recipes", default=",".join(RECIPES))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--samples", type=int, default=1000, help="drawn and measured, for each run")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="try a variant of (d)")
    p.add_argument("--name", help="its name in trials.json")
    p.add_argument("--results", type=Path, default=RESULTS, help="the folder of recipes.json and trials.json")
    options = p.parse_args(arguments)
    options.data, options.recipes = options.data.split(","), options.recipes.split(",")
    for name, values, allowed in (("--data", options.data, DATA), ("--recipes", options.recipes, RECIPES)):
        for value in values:
            if value not in allowed:
                raise ValueError(f"{name} must be some of {','.join(allowed)}, got {value!r}")
    if not all(seed.isdecimal() for seed in options.seeds.split(",")):
        raise ValueError(f"--seeds must be whole numbers with commas between them, got {options.seeds!r}")
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    lowest = {"minutes": 0, "threads": 0, "samples": 64}  # the judge has 64 features
    for name, low in lowest.items():
        if not low < getattr(options, name) < float("inf"):
            raise ValueError(f"--{name} must be more than {low}, got {getattr(options, name)}")
    if options.set and not options.name:
        raise ValueError("--set needs --name, the name under which the trial is kept")
    if options.name in RECIPES:
        raise ValueError(f"--name must differ from {', '.join(RECIPES)}, got {options.name!r}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, 1 for an error, 130 after Ctrl-C."""
    try:
        options = parse(arguments)
        torch.set_num_threads(options.threads)
        path = options.results / ("trials.json" if options.name else "recipes.json")
        if options.name:
            chosen = {options.name: (Ours, variant(options.set))}
        else:
            chosen = {key: RECIPES[key] for key in RECIPES if key in options.recipes}
        run_all(options, chosen, path)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the finished runs are kept, the same command goes on with the rest", file=sys.stderr)
        return 130
    print("", *report(load(path)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
