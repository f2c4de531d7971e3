"""A widget for lesson 01: the layers of the network, their shapes and parameters, and what they give."""

from dataclasses import dataclass
from functools import partial

import ipywidgets
import numpy as np
import torch
from torch import Tensor, nn

from ..diagram import draw_unet
from ..tracing import LayerTrace, trace_shapes
from .base import Panel, Picture, labelled, png_bytes, row

COLUMNS, ROWS, CELL = 8, 4, 60  # a page of feature maps, and the side of each in pixels
PAGE = COLUMNS * ROWS
COLD, WARM = np.array((0, 114, 178)), np.array((213, 94, 0))  # negative and positive
EMPTY = 236  # the grey around the maps


@dataclass(frozen=True, eq=False)
class Inspection:
    """A network at some size: its layers in call order, and each one's output for the first image.

    maps has name -> (channels, h, w), an embedding as (channels, 1, 1). own says whether the network is the
    learner's; any other was made at another size and has random weights.
    """

    model: nn.Module
    layers: list[LayerTrace]
    maps: dict[str, Tensor]
    own: bool

    @property
    def num_parameters(self) -> int:
        """Of the whole network."""
        return sum(p.numel() for p in self.model.parameters())


def inspect(model: nn.Module, inputs: tuple, height: int, n_feat: int, batch: int) -> Inspection:
    """Traces the network at these sizes. The shapes are traced without computing; the maps for one image.

    Where height and n_feat are the model's it is the model itself, else a new one with random weights
    (torch's random state is left alone) and the first image scaled to height.
    """
    config = model.config | {"height": height, "n_feat": n_feat}
    own = config == model.config
    x, t, c = (*inputs, None)[:3]
    c = x.new_zeros(len(x), config["n_cfeat"]) if c is None else c
    if not own:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = type(model)(**config).to(x)
        x = nn.functional.interpolate(x[:1], size=height, mode="nearest")
    one = (x[:1], t.flatten()[:1], c[:1])
    with torch.device("meta"):  # tensors with a shape and nothing in them
        hollow = type(model)(**config)
        many = (torch.zeros(batch, *x.shape[1:]), torch.zeros(1), torch.zeros(batch, c.shape[1]))
    return Inspection(model, trace_shapes(hollow, *many), feature_maps(model, *one), own)


def feature_maps(model: nn.Module, *inputs: Tensor) -> dict[str, Tensor]:
    """Each direct child's output for the first image, by name. The model is left as it was."""
    maps, modes = {}, {module: module.training for module in model.modules()}

    def keep(module, arguments, output, name):
        first = output[0].detach().float().cpu().clone()
        maps[name] = first if first.ndim == 3 else first[:, None, None]

    hooks = [child.register_forward_hook(partial(keep, name=name)) for name, child in model.named_children()]
    try:
        model.eval()
        with torch.no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return maps


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
            options=names, description="layer", style={"button_width": "10.5em", "description_width": "3em"},
            layout=ipywidgets.Layout(width="11.5em", flex="0 0 auto"),
        )  # fmt: skip
        self.earlier = ipywidgets.Button(description="◀ channels", tooltip="The channels before these")
        self.later = ipywidgets.Button(description="channels ▶", tooltip="The channels after these")
        self.words, self.range, self.note = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
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

    def _rebuild(self, change=None) -> None:
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
