"""Two ways side by side: each repeat times both, in turn, so that what else the machine does hits both."""

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm


def ratios(ours: Callable[[], object], bare: Callable[[], object], repeats: int, name: str) -> list[float]:
    """How many times as long `ours` takes as `bare`, once for each repeat, after one unmeasured call."""
    ours(), bare()
    result = []
    for turn in tqdm(range(repeats), desc=name, dynamic_ncols=True, leave=False):
        order = (ours, bare) if turn % 2 else (bare, ours)
        seconds = {}
        for run in order:
            start = time.perf_counter()
            run()
            seconds[run] = time.perf_counter() - start
        result.append(seconds[ours] / seconds[bare])
    return result


def spread(values: list[float]) -> str:
    """Median and range, as they stand in the tables."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def in_turn(runs: dict[str, Callable[[], object]], repeats: int, name: str) -> dict[str, list[float]]:
    """Seconds of each, once for each repeat, all in turn and every second time backwards, after one call."""
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {key: [] for key in runs}
    for turn in tqdm(range(repeats), desc=name, position=0, dynamic_ncols=True, leave=False):
        for key in list(runs)[:: -1 if turn % 2 else 1]:
            start = time.perf_counter()
            runs[key]()
            seconds[key].append(time.perf_counter() - start)
    return seconds


@contextmanager
def nothing_compiled() -> Iterator[None]:
    """A compiler that starts from nothing: what an earlier run has compiled would hide the cost."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        before = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("TORCHINDUCTOR_CACHE_DIR")
            if before is not None:
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = before


def processor() -> str:
    """The processor's name, as the system tells it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()
