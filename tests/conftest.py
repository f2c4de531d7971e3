import multiprocessing
import os

import pytest
import torch

from diffusion_lib.schedule import NoiseSchedule


def _devices():
    for name, is_there in (
        ("cpu", True),
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    ):
        skip = pytest.mark.skipif(not is_there, reason=f"this machine has no {name}")
        yield pytest.param(torch.device(name), id=name, marks=skip)


@pytest.fixture(params=list(_devices()))
def device(request):
    return request.param


@pytest.fixture
def schedule():
    return NoiseSchedule.linear()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def processes():
    """Where processes come from that have imported what takes long, with one thread each.

    On Linux and macOS they are forked from one that has computed nothing, in a tenth of the time of a new
    Python. (A process forked from one that has computed can hang: OpenMP's threads are not copied.)
    """
    if os.name != "posix":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "diffusion_lib.train", "accelerate"])
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
    return context


@pytest.fixture
def fork(processes):
    """fork(function, *arguments) starts a process. None outlives the test, whatever it comes to."""
    started = []

    def start(function, *arguments):
        started.append(processes.Process(target=function, args=arguments))
        started[-1].start()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.join()
