"""The course as a learner meets it: how long things take until they are there, and what memory they need."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
from tqdm import tqdm

from .timing import spread

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"

# Each notebook runs in a process of its own, whose one child is the kernel: so the system tells what memory
# the kernel took at its most. That process is small; a large one would lend its own size to the child.
RUN_NOTEBOOK = """
import json, sys, time
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
moments = {}
def started(cell, cell_index):
    moments.setdefault("first", time.perf_counter())
def executed(cell, cell_index, execute_reply):
    if "sample_ddim(" in cell.source and "import" not in cell.source:
        moments.setdefault("sheet", time.perf_counter())
        if len(sys.argv) > 3:  # the first sheet alone is asked for
            del notebook.cells[cell_index + 1 :]
start = time.perf_counter()
NotebookClient(
    notebook, timeout=900, resources={"metadata": {"path": sys.argv[2]}},
    on_cell_start=started, on_cell_executed=executed,
).execute()
result = {"seconds": time.perf_counter() - start}
if "sheet" in moments:
    result["sheet"] = moments["sheet"] - moments["first"]
try:
    import resource
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    result["megabytes"] = peak / (1e6 if sys.platform == "darwin" else 1e3)
except ImportError:  # Windows
    pass
print(json.dumps(result))
"""

IMPORTS = """
import time
import torch
start = time.perf_counter()
import diffusion_lib.samplers
print(1000 * (time.perf_counter() - start))
"""

# What `python course.py lab` does from its second start on. It never installs: with a folder that is not set
# up, or with packages that came another way, it starts JupyterLab by this Python.
SECOND_START = """
import sys
import course
course.PYTHON = sys.executable
course.set_up = lambda with_tests, *_: course.is_ready(with_tests)
sys.exit(course.main())
"""


def answer(code: str, *arguments: str) -> str:
    """What this code prints last, run in a fresh Python in the root. A learner's progress is not touched."""
    with tempfile.TemporaryDirectory() as folder:
        where = {"COURSE_PROGRESS": os.path.join(folder, "progress.json")}
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT, env=os.environ | where, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return done.stdout.splitlines()[-1]


def notebook(path: Path, *more: str) -> dict[str, float]:
    """Seconds from the kernel's start to the last cell, its memory at its most; nothing is saved."""
    return json.loads(answer(RUN_NOTEBOOK, str(path), str(path.parent), *more))


def notebooks(pattern: str = "**/*.ipynb") -> list[str]:
    """A row for each notebook, and the sum."""
    paths = [p for p in sorted(FOLDER.glob(pattern)) if ".ipynb_checkpoints" not in p.parts]
    rows = {}
    for path in tqdm(paths, desc="notebooks", dynamic_ncols=True, leave=False):
        rows[path.relative_to(FOLDER).as_posix()] = notebook(path)
    lines = ["| notebook | seconds | memory at most (MB) |", "|---|---|---|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {row['seconds']:.0f} | {row.get('megabytes', float('nan')):.0f} |")
    lessons = sum(row["seconds"] for name, row in rows.items() if "/" not in name)
    total = sum(row["seconds"] for row in rows.values())
    heaviest = max(rows, key=lambda name: rows[name].get("megabytes", 0))
    return lines + [
        "",
        f"All of them take {total / 60:.1f} minutes, without the solutions {lessons / 60:.1f}. "
        f"The heaviest is {heaviest} with {rows[heaviest].get('megabytes', float('nan')) / 1000:.2f} GB.",
    ]


def first_sheet(repeats: int = 3) -> list[str]:
    """Notebook 00 in a fresh kernel, from the first import to the first picture that a model has drawn."""
    start = FOLDER / "00_start_here.ipynb"
    turns = tqdm(range(repeats), desc="first sheet", dynamic_ncols=True, leave=False)
    values = [notebook(start, "sheet")["sheet"] for _ in turns]
    return [f"The first sheet of sprites in notebook 00 is there {spread(values)} s after its first import."]


def imports(repeats: int = 9) -> list[str]:
    """What the samplers add to torch, each time in a fresh Python that has torch already."""
    turns = tqdm(range(repeats), desc="imports", dynamic_ncols=True, leave=False)
    values = [float(answer(IMPORTS)) for _ in turns]
    return [f"`import diffusion_lib.samplers` takes {spread(values)} ms more than `import torch`."]


def answers(port: int) -> bool:
    """Whether JupyterLab is there: its page needs a token, but any answer will do."""
    try:
        urllib.request.urlopen(f"http://localhost:{port}/lab", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def start_lab(limit: float = 120) -> float:
    """Seconds until JupyterLab answers; then it is ended."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SECOND_START, "lab", "--no-browser", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container; JupyterLab refuses otherwise
    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        try:
            while not answers(port):
                if process.poll() is not None or time.perf_counter() - start > limit:
                    said.seek(0)
                    raise RuntimeError(f"JupyterLab did not start:\n{said.read()[-3000:]}")
                time.sleep(0.02)
            return time.perf_counter() - start
        finally:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.terminate()
            process.wait(30)


def lab(repeats: int = 3) -> list[str]:
    """`course.py lab`, from the second start on: the first start of all is not counted."""
    start_lab()
    turns = tqdm(range(repeats), desc="course.py lab", dynamic_ncols=True, leave=False)
    values = [start_lab() for _ in turns]
    return [f"`python course.py lab` answers {spread(values)} s after it is started again."]


def test_run() -> list[str]:
    """The whole test run, as `course.py test` makes it. It takes many minutes and is a part of its own."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=ROOT, capture_output=True, text=True)
    last = done.stdout.strip().splitlines()[-1].strip("= ")
    return [f"The whole test run takes {(time.perf_counter() - start) / 60:.1f} minutes: {last}."]


def course() -> list[str]:
    """Everything but the test run."""
    rest = [line for part in (first_sheet, imports, lab) for line in part()]
    return notebooks() + [""] + rest
