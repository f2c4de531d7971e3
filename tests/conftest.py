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
