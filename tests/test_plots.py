"""Pictures: pixels where they belong, and figures that say what they show."""

import io

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

matplotlib.use("Agg")

from diffusion_lib.plots import plot_curves, plot_losses, plot_schedules, save_png, sheet, show_sheet  # noqa: E402
from diffusion_lib.schedule import NoiseSchedule  # noqa: E402
from diffusion_lib.source import show_source  # noqa: E402


def test_sheet_places_each_pixel():
    images = torch.stack([torch.full((3, 2, 2), v) for v in (-1.0, 0.0, -1.0)])
    pixels = sheet(images, columns=2, scale=3, gap=1)
    assert pixels.shape == (2 * 4 * 3, 2 * 4 * 3, 3) and pixels.dtype == np.uint8
    small = pixels[1::3, 1::3, 0]
    assert (pixels == small.repeat(3, 0).repeat(3, 1)[..., None]).all(), "hard edges"
    expected = np.full((8, 8), 255)
    expected[1:3, 1:3] = expected[5:7, 1:3] = 0
    expected[1:3, 5:7] = 128
    assert (small == expected).all(), "an empty place in the last row is white"
    with pytest.raises(ValueError, match="images must be"):
        sheet(torch.zeros(0, 3, 4, 4))
    shown = show_sheet(images, columns=2, scale=3)
    assert (np.asarray(Image.open(io.BytesIO(shown._repr_png_()))) == pixels).all()
    assert repr(shown) == "<Sheet 24x24>"


def test_save_png(tmp_path):
    pixels = sheet(torch.rand(4, 1, 8, 8))
    save_png(tmp_path / "new" / "a.png", pixels)
    assert (np.asarray(Image.open(tmp_path / "new" / "a.png")) == pixels).all()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.png"]


def test_curves_show_their_numbers():
    schedule = NoiseSchedule.linear(50)
    figure = plot_schedules(linear=schedule, cosine=NoiseSchedule.cosine(50))
    left, right = figure.axes
    assert len(left.lines) == 4 and len(right.lines) == 2
    assert left.lines[0].get_ydata()[-1] == pytest.approx(schedule.alpha_bar[50].sqrt().item())
    figure = plot_losses(np.linspace(1, 0.1, 200), torch.linspace(1, 0.01, 20, dtype=torch.float64), 500)
    left, right = figure.axes
    assert len(left.lines[0].get_ydata()) == 200
    assert left.lines[1].get_ydata()[0] == pytest.approx(np.linspace(1, 0.1, 200)[:4].mean())
    assert right.lines[0].get_xdata()[0] == 12.5 and right.lines[0].get_ydata()[-1] == pytest.approx(0.01)
    assert all(axis.get_xlabel() and axis.get_ylabel() for axis in figure.axes)


def test_show_source_is_the_librarys_text():
    text = show_source(NoiseSchedule).data
    assert text.startswith("```python\n@dataclass(frozen=True") and text.endswith("```")
    assert "def linear(" in text
    with pytest.raises(TypeError):
        show_source(3)


def test_a_logarithmic_axis_has_its_ticks_where_something_was_measured():
    steps = [5, 20, 500]
    panels = {"time": {"DDIM": [1.0, 2.0, 3.0]}, "error": {"DDIM": [3.0, 2.0, 1.0]}}
    for panel in plot_curves(steps, panels, "steps", log="x").axes:
        assert [tick.get_text() for tick in panel.get_xticklabels()] == ["5", "20", "500"]
        assert panel.get_xticks().tolist() == steps and not panel.get_xticks(minor=True).size
