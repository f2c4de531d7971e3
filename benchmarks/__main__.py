"""python -m benchmarks: measures all and writes benchmarks/RESULTS.md."""

import datetime
import platform
import subprocess
import sys
from pathlib import Path

import torch

from . import sampling
from .timing import ratios, spread


def imports(repeats: int = 5) -> list[str]:
    """What importing the samplers adds to importing torch."""

    def run(code):
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    values = ratios(run("import torch, diffusion_lib.samplers"), run("import torch"), repeats, "imports")
    return [
        f"`import diffusion_lib.samplers` with torch takes {spread(values)} times as long as torch alone."
    ]


PARTS = {
    "What sampling costs beside the network": sampling.overhead,
    "DDPM and DDIM": sampling.ddim_against_ddpm,
    "Memory layout": sampling.layouts,
    "The first sheet": sampling.first_sheet,
    "Imports": imports,
}


def processor() -> str:
    """The processor's name, as the system tells it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


def main() -> None:
    """Measures every part in turn, prints it, and writes the whole at the end."""
    machine = f"{processor()}, {torch.get_num_threads()} threads"
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    how = "Ratios are medians with their range; both sides of a ratio are timed in turn, in one process."
    lines = ["# Measured", "", f"{datetime.date.today()}, {machine}, {versions}. {how}", ""]
    for title, measure in PARTS.items():
        part = measure()
        print(title, *part, sep="\n")
        lines += [f"## {title}", "", *part, ""]
    path = Path(__file__).parent / "RESULTS.md"
    temporary = path.with_suffix(".tmp")
    temporary.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    main()
