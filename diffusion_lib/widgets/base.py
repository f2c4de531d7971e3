"""What all widgets share: pictures with a text for the blind, labelled controls, and tidy closing."""

import base64
import html
import struct
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import anywidget
import ipywidgets
import numpy as np

# Three of Okabe & Ito's colours, and two greys: told apart with any of the usual kinds of colour blindness.
BLUE, ORANGE, GREEN, GREY, BLACK = "#0072B2", "#D55E00", "#009E73", "#8C8C8C", "#222222"


def png_bytes(pixels: np.ndarray) -> bytes:
    """A picture (H, W, 3) or (H, W), uint8, as a PNG, made for speed: a millisecond for a chart.

    Written by hand, because Pillow tries five filters on each row: that takes ten times as long, and at each
    step of a slider.
    """
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    unfiltered = np.concatenate((np.zeros((height, 1), np.uint8), rows), axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(unfiltered, level=1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


class Figure:
    """A picture that can be replaced: pixels with hard edges (or smooth), a caption and a text for the blind.

    .value is it as HTML, .alt the text that a screen reader says, .png the picture's bytes as last shown.
    """

    def __init__(self, caption: str = "", smooth: bool = False):
        self.caption, self.smooth = caption, smooth
        self.png, self.alt, self.value = b"", "", ""

    def show(self, picture: np.ndarray | bytes, alt: str, scale: float = 1, size=None) -> None:
        """Shows pixels (H, W, 3) or (H, W), uint8, or a ready PNG.

        Each pixel becomes `scale` screen pixels wide; a ready PNG needs its size (width, height) on the
        screen instead, and pixels may have it.
        """
        self.alt, self.png = alt, picture if isinstance(picture, bytes) else png_bytes(picture)
        if size is None:
            size = (picture.shape[1] * scale, picture.shape[0] * scale)
        width, height = (round(length) for length in size)
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        data, kind = base64.b64encode(self.png).decode(), "smooth" if self.smooth else "pixels"
        self.value = (
            f'<figure>{caption}<img class="course-{kind}" decoding="sync" '
            f'width="{width}" height="{height}" alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
            "</figure>"
        )


class Picture(Figure, ipywidgets.HTML):
    """A figure that is a widget of its own."""

    def __init__(self, caption: str = "", smooth: bool = False, **more):
        ipywidgets.HTML.__init__(self, **more)
        Figure.__init__(self, caption, smooth)


def beside(*figures: Figure) -> str:
    """Several figures in one piece of HTML, which reaches the page in one message and is drawn once."""
    return f'<div class="course-figures">{"".join(figure.value for figure in figures)}</div>'


def labelled(control: type, label: str, width: str = "26em", **arguments):
    """A control of ipywidgets with its label at the left, all labels of a panel equally wide.

    labelled(ipywidgets.IntSlider, "t", value=1, min=0, max=500)
    """
    arguments.setdefault("layout", ipywidgets.Layout(width=width, max_width="98%"))
    arguments.setdefault("style", {"description_width": "8em"})
    arguments.setdefault("tooltip", label)  # else the label's would be the word "null"
    return control(description=label, **arguments)


def row(*children, **layout) -> ipywidgets.Box:
    """Children beside each other; those that do not fit in the window go below."""
    layout = {
        "display": "flex",
        "flex_flow": "row wrap",
        "grid_gap": "4px 16px",
        "overflow": "visible",
    } | layout
    return ipywidgets.Box(children, layout=ipywidgets.Layout(**layout))


def close_tree(widget: ipywidgets.Widget) -> None:
    """Closes a widget, all that is inside it, and the layout and style that each one has."""
    for child in getattr(widget, "children", ()):
        close_tree(child)
    for part in ("layout", "style"):
        if isinstance(getattr(widget, part, None), ipywidgets.Widget):
            getattr(widget, part).close()
    widget.close()


class PanelHead(anywidget.AnyWidget):
    """Nothing to see: the style of a panel, and what its controls say to a screen reader."""

    # Texts, not paths: anywidget watches a path's file, and so would keep every head alive for good.
    _esm = Path(__file__).with_name("panel.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("panel.css").read_text(encoding="utf-8")


class Panel(ipywidgets.VBox):
    """A widget of the course: a column of controls and pictures that can be closed without a trace.

    A subclass sets `fallback`, the sentence that stands where the widget cannot be shown (on GitHub, in
    print), binds its controls with `watch` and `click`, and sets `children`. When a notebook's cell is run
    again, the panels of its earlier run close by themselves.
    """

    fallback = "An interactive widget stands here when the notebook runs."

    def __init__(self, **more):
        super().__init__(**more)
        self.add_class("course-panel")
        self.closed = False
        self._at_close: list[Callable[[], None]] = []
        self._head = PanelHead(layout=ipywidgets.Layout(display="none"))
        self.at_close(lambda: close_tree(self._head))
        _register(self)

    def fill(self, *children) -> None:
        """Puts the children into the column."""
        self.children = (self._head, *children)

    def watch(self, control, callback: Callable, names: str = "value") -> None:
        """Calls callback(change) when the control changes, until the panel closes."""
        control.observe(callback, names)
        self.at_close(lambda: control.unobserve(callback, names))

    def click(self, button, callback: Callable) -> None:
        """Calls callback(button) when the button is pressed, until the panel closes."""
        button.on_click(callback)
        self.at_close(lambda: button.on_click(callback, remove=True))

    @contextmanager
    def hold(self, control, callback: Callable, names: str = "value"):
        """Inside, changes of the control do not call the callback; afterwards it is called once."""
        control.unobserve(callback, names)
        try:
            yield
        finally:
            control.observe(callback, names)
        callback(None)

    def at_close(self, callback: Callable[[], None]) -> None:
        """Calls callback() when the panel closes; the last one first."""
        self._at_close.append(callback)

    def close(self) -> None:
        """Stops what runs, lets go of all controls and removes the widget from the page. Twice is fine."""
        if getattr(self, "closed", True):  # ipywidgets closes once more when Python frees the object
            return super().close()
        self.closed = True
        _forget(self)
        while self._at_close:
            self._at_close.pop()()
        close_tree(self)

    def __repr__(self) -> str:
        return self.fallback

    def _repr_mimebundle_(self, **options) -> dict:
        bundle = super()._repr_mimebundle_(**options) or {}
        return bundle | {"text/plain": repr(self)}  # ipywidgets would cut it after 110 letters


_panels: dict[str, tuple[str, list[Panel]]] = {}  # cell -> (the run that made them, its open panels)


def _running_cell() -> tuple[str, str] | None:
    """Which cell of a notebook runs now, and which run of it this is; None outside of notebooks."""
    from IPython import get_ipython

    request = getattr(get_ipython(), "get_parent", dict)() or {}
    cell = request.get("metadata", {}).get("cellId") or request.get("content", {}).get("code")
    return (cell, request["header"]["msg_id"]) if cell else None


def _register(panel: Panel) -> None:
    """Notes the panel under the running cell, and closes those that an earlier run of the cell made."""
    where = _running_cell()
    if where is None:
        return
    cell, run = where
    earlier_run, panels = _panels.get(cell, (run, []))
    if earlier_run != run:
        for old in list(panels):
            old.close()
        panels = []
    _panels[cell] = (run, [*panels, panel])


def _forget(panel: Panel) -> None:
    for cell, (run, panels) in list(_panels.items()):
        rest = [other for other in panels if other is not panel]
        if rest:
            _panels[cell] = (run, rest)
        else:
            del _panels[cell]
