"""One process that trains, or several that train one model together."""

from __future__ import annotations

import os

import torch
from torch import Tensor


class OneProcess:
    """Training by a single process, which has every image of a batch."""

    index, count, device = 0, 1, None

    def own(self, batch: Tensor) -> Tensor:
        """The part of a batch that this process works on: equal parts, in the order of the processes."""
        size = len(batch) // self.count
        return batch[self.index * size : (self.index + 1) * size]

    def gather(self, part: Tensor) -> Tensor:
        """The parts of all processes as one batch again, the same in each of them."""
        return part

    def average(self, tensors: list[Tensor]) -> None:
        """Puts the mean over all processes into the tensors, in place."""

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in at least one process."""
        return flag

    def check_equal(self, number: int, of: str) -> None:
        """Raises ValueError, in all processes, if they do not all have the same number."""

    def close(self) -> None:
        """The end of working together."""


class LaunchedProcesses(OneProcess):
    """The processes that `accelerate launch` or `torchrun` has started, on one machine or several.

    Each has its own device: its graphics card, or the CPU. Needs Hugging Face Accelerate, an optional
    package. Raises ValueError without it.
    """

    def __init__(self, cpu: bool = False):
        try:
            from accelerate import Accelerator  # here, as most people train in one process
        except ModuleNotFoundError as error:
            raise ValueError(
                "several processes need the package accelerate: python -m pip install accelerate"
            ) from error
        self.accelerator = Accelerator(cpu=cpu)
        self.index, self.count = self.accelerator.process_index, self.accelerator.num_processes
        self.device = self.accelerator.device

    def gather(self, part: Tensor) -> Tensor:
        return self.accelerator.gather(part.contiguous())

    def average(self, tensors: list[Tensor]) -> None:
        # One message for all: each has a fixed cost, and these tensors are small.
        together = self.accelerator.reduce(torch.cat([t.flatten() for t in tensors]), reduction="mean")
        for tensor, mean in zip(tensors, together.split([t.numel() for t in tensors])):
            tensor.copy_(mean.view_as(tensor))

    def any(self, flag: bool) -> bool:
        return bool(self.gather(torch.tensor([flag], device=self.device)).any())

    def check_equal(self, number: int, of: str) -> None:
        numbers = self.gather(torch.tensor([number], device=self.device)).tolist()
        if len(set(numbers)) > 1:
            raise ValueError(f"{of} must be the same in all processes, got {numbers}")

    def close(self) -> None:
        # Without the wait, a thread that still holds the last message's tensors can bring the exit down.
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()


def find_processes(cpu: bool = False) -> OneProcess:
    """Those that a launcher has started, by the WORLD_SIZE it sets, or this one alone."""
    return LaunchedProcesses(cpu) if int(os.environ.get("WORLD_SIZE", 1)) > 1 else OneProcess()
