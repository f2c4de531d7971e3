"""python -m benchmarks: measures everything and writes benchmarks/RESULTS.md.

python -m benchmarks sampling growth measures these parts alone and keeps the others as they were. The part
"recipes" trains for hours; it can be stopped and goes on where it was, and keeps the runs that are stored.
The packages of requirements-test.txt are needed: python course.py setup.
"""

import argparse
import datetime
import json
import platform
from pathlib import Path

import torch
from tqdm import tqdm

from diffusion_lib.files import write_text

from . import growth, keypress, recipes, sampling, training, whole_course
from .timing import processor

FOLDER = Path(__file__).parent
STORE = FOLDER / "results" / "parts.json"
PARTS = {
    "sampling": ("What sampling costs beside the network", sampling.overhead),
    "samplers": ("DDPM and DDIM", sampling.ddim_against_ddpm),
    "forwards": ("The forward itself", sampling.forwards),
    "training": ("Training", training.throughput),
    "growth": ("How the cost grows", growth.growth),
    "keypress": ("From a key to the picture", keypress.keypress),
    "course": ("The course", whole_course.course),
    "tests": ("The test run", whole_course.test_run),
    "recipes": ("Quality for the same time", recipes.all_recipes),
}


def machine() -> str:
    """What was measured on, in a line."""
    return (
        f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )


def render(parts: dict) -> str:
    """RESULTS.md from the stored parts."""
    lines = [
        "# Measured",
        "",
        "`python -m benchmarks` makes this page. Ratios are medians with their range; both sides of a ratio "
        "of times are timed in turn, in the same process. The last part, which trains for hours, keeps the "
        "runs that are stored.",
    ]
    for name, (title, _) in PARTS.items():
        if name in parts:
            part = parts[name]
            lines += ["", f"## {title}", "", *part["lines"], "", f"*{part['date']}, {part['machine']}.*"]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Measures the parts in turn, and stores each at once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the course.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    names = parser.parse_args(arguments).parts
    for name in names:
        if name not in PARTS:
            parser.error(f"a part must be one of {', '.join(PARTS)}, got {name!r}")
    parts = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
    bar = tqdm(names or list(PARTS), desc="benchmarks", dynamic_ncols=True)
    for name in bar:
        bar.set_postfix_str(name)
        title, measure = PARTS[name]
        lines = measure()
        parts[name] = {"date": str(datetime.date.today()), "machine": machine(), "lines": lines}
        write_text(STORE, json.dumps(parts, indent=1, ensure_ascii=False) + "\n")
        write_text(FOLDER / "RESULTS.md", render(parts))
        tqdm.write("\n".join(["", title, "", *lines]))  # last: a terminal may not know all these signs


if __name__ == "__main__":
    main()
