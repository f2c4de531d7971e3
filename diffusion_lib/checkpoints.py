"""Models on disk: safetensors with their configuration inside, written whole or not at all."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from .files import written_whole
from .schedule import NoiseSchedule
from .unet import ContextUnet

FOLDER = Path(__file__).resolve().parent.parent / "data" / "checkpoints"
SCHEDULE = "schedule.beta"  # stored beside the weights, float64, so that it comes back exactly


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model in evaluation mode, the schedule it was trained with, and what is known of its making."""

    model: ContextUnet
    schedule: NoiseSchedule
    facts: dict

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the places of the context stand for; empty if the file does not tell."""
        return tuple(self.facts.get("settings", {}).get("class_names", ()))


def save_tensors(path: str | Path, tensors: dict[str, Tensor], facts: dict) -> None:
    """Writes tensors and facts (anything JSON can hold), whole or not at all.

    Raises ValueError for a fact that JSON cannot hold, OSError if the disk is full.
    """
    try:
        text = json.dumps(facts, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a fact cannot be stored as JSON: {error}") from error
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    # Not its save_file: that makes files which only their owner can read, and leaves others when killed.
    content = save(copies, metadata={"facts": text})
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """What save_tensors wrote. FileNotFoundError if there is nothing, ValueError if it is damaged."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    # In one go: safe_open opens the file twice, and a run may replace it in between. What is read is a copy,
    # and the file stays free, so that Windows lets a later save replace it.
    content = path.read_bytes()
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return tensors, json.loads(header.get("__metadata__", {}).get("facts", "{}"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name} is not a whole safetensors file: {error}") from error


def save_checkpoint(path: str | Path, model: ContextUnet, schedule: NoiseSchedule, **facts) -> None:
    """Saves the weights, the schedule, the model's configuration and the facts in one file."""
    tensors = model.state_dict() | {SCHEDULE: schedule.beta[1:].cpu().double()}
    save_tensors(path, tensors, facts | {"config": model.config})


def checkpoint_path(path_or_name: str | Path) -> Path:
    """The file of a shipped model, for a name like "small"; of a run, for its folder; or the path."""
    path = Path(path_or_name)
    is_name = not path.suffix and path.name == str(path_or_name)
    if is_name:
        return FOLDER / f"{path_or_name}.safetensors"
    return path / "model.safetensors" if path.is_dir() else path


def load_checkpoint(path_or_name: str | Path) -> Checkpoint:
    """A shipped model by its name ("small"), one of your own by its path or its run's, or an old lab's .pth.

    An old lab's file holds weights alone: the sizes are read off their shapes, and the schedule is the
    labs' (500 steps, 1e-4 to 0.02, mended). Theirs were trained with another shortcut, so what they draw
    here may differ. The file is read with weights_only=True, so no code of it runs.
    Raises FileNotFoundError if there is no such file, ValueError if it holds something else.
    """
    path = checkpoint_path(path_or_name)
    if not path.is_file():
        shipped = sorted(file.stem for file in FOLDER.glob("*.safetensors") if file.stem != "classifier")
        raise FileNotFoundError(
            f"there is no checkpoint {path} (shipped here: {', '.join(shipped) or 'none'})"
        )
    if path.suffix in (".pth", ".pt"):
        weights, facts = _read_pickle(path), {}
        schedule = NoiseSchedule.linear()
    else:
        weights, facts = load_tensors(path)
        if SCHEDULE not in weights:
            raise ValueError(f"{path.name} holds no noise schedule: was it written by save_checkpoint?")
        schedule = NoiseSchedule.from_beta(weights.pop(SCHEDULE))
    try:
        model = ContextUnet(**facts.get("config", None) or _config_from(weights))
        model.load_state_dict(weights)
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} does not hold the weights of a ContextUnet: {error}") from error
    # Channels next to each other in memory: faster on CPUs (benchmarks/RESULTS.md), equal to 4e-6.
    model = model.to(memory_format=torch.channels_last)
    return Checkpoint(model.eval(), schedule, facts)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds here, down to EOFError
        raise ValueError(f"{path.name} cannot be read as weights alone: {error}") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(f"{path.name} must hold a dictionary of tensors")
    return weights


def _config_from(weights: dict[str, Tensor]) -> dict[str, int]:
    n_feat, in_channels = weights["init_conv.conv1.0.weight"].shape[:2]
    n_cfeat = weights["contextembed1.model.0.weight"].shape[1]
    height = 4 * weights["up0.0.weight"].shape[2]
    return {"in_channels": in_channels, "n_feat": n_feat, "n_cfeat": n_cfeat, "height": height}
