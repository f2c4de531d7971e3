"""Two ways side by side: each repeat times both, in turn, so that what else the machine does hits both."""

import statistics
import time
from collections.abc import Callable

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
