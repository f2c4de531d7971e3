"""What the widgets share: pictures, rows, closing without a trace, and cells that are run again."""

import base64
import io
import re

import ipywidgets
import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from PIL import Image

from diffusion_lib.widgets import base
from diffusion_lib.widgets.base import Figure, Panel, Picture, beside, labelled, png_bytes, row
from diffusion_lib.widgets.charts import Chart, round_bounds


class Counter(Panel):
    """A small panel: a slider, a button, and how often each one called."""

    fallback = "Counter: " + "a sentence that is longer than what ipywidgets would print of it. " * 2

    def __init__(self):
        super().__init__()
        self.calls = []
        self.slider = labelled(ipywidgets.IntSlider, "count", value=1, min=0, max=5)
        self.button = ipywidgets.Button(description="More")
        self.watch(self.slider, lambda change: self.calls.append(change and change["new"]))
        self.click(self.button, self.press)
        self.fill(row(self.slider, self.button))

    def press(self, button):
        self.calls.append("pressed")


def sent_picture(picture):
    """The pixels in the <img> that the browser gets."""
    data = re.search(r'src="data:image/png;base64,([^"]+)"', picture.get_state()["value"]).group(1)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize("shape", [(5, 7, 3), (4, 4), (1, 1, 3)])
def test_a_png_holds_exactly_the_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png_bytes(pixels)))), pixels)


def test_a_picture_carries_its_pixels_size_and_text():
    picture, pixels = Picture("x < y"), np.zeros((4, 6, 3), np.uint8)
    picture.show(pixels, 'two "words" & more', scale=10)
    assert np.array_equal(sent_picture(picture), pixels)
    assert 'width="60" height="40"' in picture.value
    assert 'alt="two &quot;words&quot; &amp; more"' in picture.value
    assert "<figcaption>x &lt; y</figcaption>" in picture.value
    assert "course-pixels" in picture.value
    smooth = Picture(smooth=True)
    smooth.show(png_bytes(pixels), "ready", size=(300, 200))
    assert "course-smooth" in smooth.value and 'width="300" height="200"' in smooth.value
    assert smooth.png == png_bytes(pixels)


def test_figures_beside_each_other_are_one_piece_of_html():
    figures = [Figure("one"), Figure("two", smooth=True)]
    for figure in figures:
        figure.show(np.zeros((2, 2, 3), np.uint8), f"text of {figure.caption}")
    together = beside(*figures)
    assert all(figure.value in together and figure.alt in figure.value for figure in figures)
    assert together.count("<img") == 2


def test_controls_call_until_the_panel_closes_and_not_after():
    panel = Counter()
    panel.slider.value = 3
    panel.button.click()
    assert panel.calls == [3, "pressed"]
    panel.close()
    panel.slider.value = 4
    panel.button.click()
    assert panel.calls == [3, "pressed"]


def test_held_changes_call_once():
    panel = Counter()
    callback = panel.calls.append
    panel.watch(panel.slider, callback)
    with panel.hold(panel.slider, callback):
        panel.slider.value = 2
        panel.slider.value = 5
    assert panel.calls == [2, 5, None]


def test_closing_leaves_no_model_behind_and_may_be_repeated():
    before = set(_instances)
    panel = Counter()
    assert len(set(_instances) - before) > 5
    panel.close()
    panel.close()
    assert set(_instances) == before


def test_at_close_runs_the_last_one_first_and_once():
    panel, order = Counter(), []
    panel.at_close(lambda: order.append("first"))
    panel.at_close(lambda: order.append("second"))
    panel.close()
    panel.close()
    assert order == ["second", "first"]


def test_the_fallback_is_stored_whole():
    panel = Counter()
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == repr(panel) == Counter.fallback
    assert len(Counter.fallback) > 110
    assert "application/vnd.jupyter.widget-view+json" in bundle
    panel.close()
    assert repr(panel) == Counter.fallback


@pytest.fixture
def cell(monkeypatch):
    """A function that says which cell runs now, and which run of it."""

    def run(name, request):
        monkeypatch.setattr(base, "_running_cell", lambda: (name, request))

    monkeypatch.setattr(base, "_panels", {})
    return run


def test_running_a_cell_again_closes_what_its_last_run_made(cell):
    before = set(_instances)
    cell("a", "1")
    first, second = Counter(), Counter()
    cell("b", "2")
    other = Counter()
    assert not (first.closed or second.closed)  # two panels of one run live side by side
    cell("a", "3")
    again = Counter()
    assert first.closed and second.closed and not other.closed and not again.closed
    for request in range(4, 24):
        cell("a", str(request))
        again = Counter()
    sizes = len(set(_instances) - before)
    again.close()
    assert sizes == 2 * len(set(_instances) - before)  # one panel for each of the two cells
    other.close()
    assert set(_instances) == before and base._panels == {}


def test_the_cell_is_known_by_its_id_or_else_by_its_code(monkeypatch):
    class Shell:
        def get_parent(self):
            return self.request

    shell = Shell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    shell.request = {"metadata": {"cellId": "c1"}, "content": {"code": "x"}, "header": {"msg_id": "m"}}
    assert base._running_cell() == ("c1", "m")
    shell.request["metadata"] = {}
    assert base._running_cell() == ("x", "m")
    shell.request["content"] = {}  # a message of a widget runs no cell
    assert base._running_cell() is None
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    assert base._running_cell() is None


def test_every_control_is_labelled():
    control = labelled(ipywidgets.FloatSlider, "weight", value=1.0)
    assert control.description == "weight"
    assert control.tooltip == "weight"  # not the word "null", which a missing one shows


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_draws_where_the_numbers_say(log):
    chart = Chart("a title", (0, 10), (0.01, 100) if log else (-1, 1), log=log)
    empty = chart.pixels.copy()
    chart.curve([0, 5, 10], [1, float("nan"), 1] if log else [0, float("nan"), 0], "#FF0000", 2)
    red = (chart.pixels == (255, 0, 0)).all(axis=2)
    rows = np.flatnonzero(red.any(axis=1))
    assert rows.mean() == pytest.approx((26 + (190 - 34)) / 2 * 2, abs=2)  # half way up
    assert np.flatnonzero(red.any(axis=0)).min() == pytest.approx(46 * 2, abs=2)
    marked = chart.marked(10, [(1, "#00FF00")])
    green = np.argwhere((marked == (0, 255, 0)).all(axis=2))
    assert green[:, 1].mean() == pytest.approx((300 - 12) * 2, abs=2)
    assert not (chart.pixels == (0, 255, 0)).all(axis=2).any()  # the marker is on a copy
    assert (empty != chart.pixels).any()


def test_values_beyond_the_axis_stay_on_the_paper():
    chart = Chart("a title", (0, 10), (0.01, 100), log=True)
    chart.curve([0, 10], [0, 1e9], "#FF0000")
    rows = np.flatnonzero((chart.pixels == (255, 0, 0)).all(axis=2).any(axis=1))
    assert rows.min() >= 2 * 26 - 3 and rows.max() <= 2 * (190 - 34) + 3


@pytest.mark.parametrize(
    "values, bounds",
    [
        ((1.0, 1.08), (1, 2)),
        ((0.013, 1.1), (0.01, 2)),
        ((0.3, 0.3), (0.2, 0.5)),
        ((1, 1), (1, 2)),
        ((0, 0), (1e-9, 2e-9)),
    ],
)
def test_a_logarithmic_axis_ends_at_round_numbers_that_hold_the_values(values, bounds):
    assert round_bounds(*values) == pytest.approx(bounds)
