"""Curves and matrices of measured numbers: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import torch  # noqa: E402

from diffusion_lib.plots import plot_curves, plot_matrix  # noqa: E402


def test_curves_and_a_level_to_compare_with():
    panels = {"accuracy": {"drawn": [0.2, 0.9]}, "variety": {"drawn": [3.0, 2.0], "real": 4.0}}
    left, right = plot_curves((0, 1), panels, xlabel="weight").axes
    assert [axis.get_title() for axis in (left, right)] == ["accuracy", "variety"]
    assert list(left.lines[0].get_xdata()) == [0, 1] and list(left.lines[0].get_ydata()) == [0.2, 0.9]
    assert [line.get_label() for line in right.lines] == ["drawn", "real"]
    assert list(right.lines[1].get_ydata()) == [4.0, 4.0], "a level goes through the whole panel"
    assert {axis.get_xlabel() for axis in (left, right)} == {"weight"}


def test_a_matrix_is_white_at_zero():
    rows = {"hero": torch.tensor([1.0, -3.0]), "food": torch.tensor([0.0, 2.0])}
    panel = plot_matrix(rows, xlabel="channel").axes[0]
    (picture,) = panel.images
    assert picture.get_array().tolist() == [[1.0, -3.0], [0.0, 2.0]]
    assert picture.get_clim() == (-3.0, 3.0), "the same reach to both sides"
    assert [label.get_text() for label in panel.get_yticklabels()] == ["hero", "food"]
