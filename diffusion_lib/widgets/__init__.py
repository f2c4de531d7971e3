"""What a learner drags and clicks: a class for each widget, in a file of its own."""

from importlib import import_module

_HOMES = {
    "ShapeInspector": "shape_inspector",
    "NoiseExplorer": "noise_explorer",
    "TrainingView": "training_view",
    "StepPlayer": "step_player",
    "ContextMixer": "context_mixer",
    "DdimExplorer": "ddim_explorer",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
