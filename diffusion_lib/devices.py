"""Where a network computes, and in what."""

import torch


def choose_device(name: str) -> torch.device:
    """The named device, or the best there is. ValueError if it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, is_there in there.items() if is_there)
    if not there.get(name, False):
        usable = ", ".join(kind for kind, is_there in sorted(there.items()) if is_there)
        raise ValueError(f"device must be auto or one of {usable} on this machine, got {name}")
    return torch.device(name)


def knows_bfloat16(device: torch.device) -> bool:
    """Whether the processor itself computes in bfloat16; where it is imitated it is slower than float32."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def is_mixed(precision: str, device: torch.device) -> bool:
    """Whether the convolutions are to compute in bfloat16; "auto" says so where the processor knows it."""
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f'precision must be "auto", "float32" or "bfloat16", got {precision!r}')
    return precision == "bfloat16" or (precision == "auto" and knows_bfloat16(device))
