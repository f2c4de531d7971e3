"""A widget for lesson 01: the layers of the network, their shapes and parameters, and what they give."""

from dataclasses import dataclass, replace
from functools import cached_property, partial

import ipywidgets
import numpy as np
import torch
from torch import Tensor, nn

from ..diagram import draw_unet
from ..tracing import LayerTrace, trace_shapes
from .base import Panel, Picture, labelled, png_bytes, row

COLUMNS, ROWS, CELL = 8, 4, 64  # a page of feature maps; 64 holds twice 28 and 32, the usual sizes
PAGE = COLUMNS * ROWS
COLD, WARM = np.array((0, 114, 178)), np.array((213, 94, 0))  # negative and positive
EMPTY = 236  # the grey around the maps


@dataclass(frozen=True, eq=False)
class Inspection:
    """A network at some size: its layers in call order, and each one's output for the first image.

    traced: for a batch of two; layers: for `batch`. maps: name -> (channels, h, w), an embedding with h = w =
    1. own: whether it is the learner's network; any other was made at these sizes, with random weights.
    """

    model: nn.Module
    traced: list[LayerTrace]
    maps: dict[str, Tensor]
    own: bool
    batch: int

    @cached_property
    def layers(self) -> list[LayerTrace]:
        """As traced, with the true batch in each shape that begins with it; what comes of t alone has 1."""

        def sized(shape):
            return (self.batch, *shape[1:]) if shape[0] == 2 else shape

        shapes = [(sized(layer.input_shape), sized(layer.output_shape)) for layer in self.traced]
        return [replace(layer, input_shape=a, output_shape=b) for layer, (a, b) in zip(self.traced, shapes)]

    @property
    def num_parameters(self) -> int:
        """Of the whole network."""
        return sum(p.numel() for p in self.model.parameters())


def inspect(model: nn.Module, inputs: tuple, height: int, n_feat: int, batch: int) -> Inspection:
    """Runs the network at these sizes, once and for two images whatever the batch, so that it is quick.

    Where height and n_feat are the model's it is the model itself, else a new one with random weights
    (torch's random state is left alone) and the first image scaled to height.
    """
    config = model.config | {"height": height, "n_feat": n_feat}
    own = config == model.config
    x, t, c = (*inputs, None)[:3]
    c = x.new_zeros(len(x), config["n_cfeat"]) if c is None else c
    if not own:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model = type(model)(**config).to(x)
        x = nn.functional.interpolate(x[:1], size=height, mode="nearest")
    two = (x[:1].expand(2, -1, -1, -1), t.flatten()[:1], c[:1].expand(2, -1))
    return Inspection(model, *layers_and_maps(model, *two), own, batch)


def layers_and_maps(model: nn.Module, *inputs: Tensor) -> tuple[list[LayerTrace], dict[str, Tensor]]:
    """The trace of a call and each direct child's output for the first image, by name. No hook stays."""
    maps = {}

    def keep(module, arguments, output, name):
        first = output[0].detach().float().cpu().clone()
        maps[name] = first if first.ndim == 3 else first[:, None, None]

    hooks = [child.register_forward_hook(partial(keep, name=name)) for name, child in model.named_children()]
    try:
        return trace_shapes(model, *inputs), maps
    finally:
        for hook in hooks:
            hook.remove()


def strongest(maps: Tensor) -> float:
    """The largest absolute value of all channels: the end of the colour scale, the same on each page."""
    return maps.abs().max().item()


def map_sheet(maps: Tensor, page: int) -> np.ndarray:
    """A page of 32 channels (from 0) of maps (channels, h, w), always the same size: (H, W, 3) uint8.

    Negative is blue, zero white, positive orange; full colour is the strongest value of all channels.
    """
    chosen = maps[page * PAGE : (page + 1) * PAGE].numpy() / (strongest(maps) or 1)
    pull = np.abs(chosen)[..., None]
    pixels = ((1 - pull) * 255 + pull * np.where(chosen[..., None] < 0, COLD, WARM)).round().astype(np.uint8)
    factor = max(1, CELL // pixels.shape[1])
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)[:, :CELL, :CELL]
    before = (CELL - pixels.shape[1]) // 2
    step = CELL + 4
    result = np.full((ROWS * step, COLUMNS * step, 3), EMPTY, np.uint8)
    for index, picture in enumerate(pixels):
        top, left = (index // COLUMNS) * step + 2 + before, (index % COLUMNS) * step + 2 + before
        result[top : top + len(picture), left : left + len(picture)] = picture
    return result


def describe(layer: LayerTrace, num_parameters: int) -> str:
    """A layer in a line: type, shapes, parameters and their share of the network's."""
    share = layer.num_parameters / num_parameters
    return (
        f"{layer.name} ({layer.type}): {layer.input_shape} → {layer.output_shape}, "
        f"{layer.num_parameters:,} parameters, {share:.1%} of {num_parameters:,}"
    )


class ShapeInspector(Panel):
    """Choose a layer: it lights up in the network's diagram; its shapes, parameters and feature maps.

    inputs are what the model is called with: x, t and perhaps c; the first image is the one whose feature
    maps are shown. Sliders for image size, n_feat and batch trace a network of those sizes (with random
    weights, unless it is the model's own). Controls: .layer, .earlier, .later, .height, .n_feat, .batch.
    Raises ValueError if the model does not fit the inputs or has no config.
    """

    fallback = (
        "Shape inspector: run this cell to choose a layer of the network and see it light up in the diagram, "
        "with its shapes, its parameters and its feature maps."
    )

    def __init__(self, model: nn.Module, inputs: tuple):
        config = getattr(model, "config", None)
        if config is None:
            raise ValueError(f"model must have a config, like ContextUnet, got {type(model).__name__}")
        x = inputs[0]
        self._first = inspect(model, inputs, config["height"], config["n_feat"], len(x))
        super().__init__()
        self.model, self.inputs, self.page = model, inputs, 0
        self._drawn: dict[str, bytes] = {}
        sizes = {"width": "24em", "continuous_update": False}
        self.height = labelled(
            ipywidgets.IntSlider, "image size", value=config["height"], min=4,
            max=max(32, config["height"]), step=4, **sizes,
        )  # fmt: skip
        self.n_feat = labelled(
            ipywidgets.IntSlider, "n_feat", value=config["n_feat"], min=8,
            max=max(128, config["n_feat"]), step=8, **sizes,
        )  # fmt: skip
        self.batch = labelled(
            ipywidgets.IntSlider, "batch", value=len(x), min=1, max=max(64, len(x)), **sizes
        )
        names = [layer.name for layer in self._first.layers]
        # Buttons, not a Select: JupyterLab takes the arrow keys of a focused list for itself.
        self.layer = ipywidgets.ToggleButtons(
            options=names, description="layer", tooltip="layer",
            style={"button_width": "10.5em", "description_width": "3em"},
            layout=ipywidgets.Layout(width="11.5em", flex="0 0 auto"),
        )  # fmt: skip
        self.earlier = ipywidgets.Button(description="◀ channels", tooltip="The channels before these")
        self.later = ipywidgets.Button(description="channels ▶", tooltip="The channels after these")
        self.words, self.range, self.note = (ipywidgets.HTML() for _ in range(3))
        self.diagram, self.maps = Picture(smooth=True), Picture()
        self.diagram.layout.flex, self.diagram.layout.min_width = "1 1 0", "300px"
        self.watch(self.layer, self._choose_layer)
        for slider in (self.height, self.n_feat, self.batch):
            self.watch(slider, self._rebuild)
        self.click(self.earlier, partial(self._turn, by=-1))
        self.click(self.later, partial(self._turn, by=1))
        self.fill(
            row(self.height, self.n_feat, self.batch), self.note,
            row(self.layer, self.diagram, align_items="flex-start"), self.words,
            row(self.earlier, self.range, self.later, align_items="center"), self.maps,
        )  # fmt: skip
        self._take(self._first)

    @property
    def chosen(self) -> LayerTrace:
        """The layer that is shown."""
        return self.inspection.layers[self.layer.index]

    def _rebuild(self, change) -> None:
        if change["owner"] is self.batch:
            self._take(replace(self.inspection, batch=self.batch.value))
        else:
            sizes = (self.height.value, self.n_feat.value, self.batch.value)
            self._take(inspect(self.model, self.inputs, *sizes))

    def _take(self, inspection: Inspection) -> None:
        self.inspection, self._drawn, self.page = inspection, {}, 0
        self.note.value = (
            f"The model itself, {inspection.num_parameters:,} parameters."
            if inspection.own
            else f"A network of these sizes, {inspection.num_parameters:,} parameters, with random weights."
        )
        self._draw()

    def _choose_layer(self, change) -> None:
        self.page = 0
        self._draw()

    def _turn(self, button, by: int) -> None:
        pages = -(-len(self.inspection.maps[self.chosen.name]) // PAGE)
        self.page = (self.page + by) % pages
        self._draw_maps()

    def _draw(self) -> None:
        name = self.chosen.name
        if name not in self._drawn:
            self._drawn[name] = png_bytes(draw_unet(self.inspection.model, name, self.inspection.layers))
        self.words.value = f"<b>{describe(self.chosen, self.inspection.num_parameters)}</b>"
        alt = f"Diagram of the network with {name} marked, from {self.chosen.input_shape[1:]} to "
        self.diagram.show(self._drawn[name], f"{alt}{self.chosen.output_shape[1:]}", size=(1000, 500))
        self._draw_maps()

    def _draw_maps(self) -> None:
        maps = self.inspection.maps[self.chosen.name]
        first, last = self.page * PAGE, min(len(maps), (self.page + 1) * PAGE) - 1
        self.range.value = f"{first} to {last} of {len(maps)}"
        self.earlier.disabled = self.later.disabled = len(maps) <= PAGE
        side, end = maps.shape[-1], strongest(maps)
        self.maps.caption = (
            f"What {self.chosen.name} gives for the first image: blue negative, white 0, orange positive; "
            f"full colour is {end:.3g}"
        )
        self.maps.show(
            map_sheet(maps, self.page),
            f"Feature maps of {self.chosen.name}, {self.range.value} channels, {side} by {side}",
        )
