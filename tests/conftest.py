import multiprocessing

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
    """Makes processes that have imported everything: a start takes a tenth of a second, and not four.

    They are forked from one that has computed nothing, with one thread each: OpenMP does not outlive a fork
    in a process that has computed. On Linux and macOS only.
    """
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "test_train_command", "test_processes"])
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
    return context.Process
