"""The step player without a kernel: the one file of save_html, and the page that nbconvert exports."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from real_lab import canvases, changes

from diffusion_lib.samplers import sample_ddim
from diffusion_lib.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(500, 2e-4, 0.04)
CELL = """
import torch
from diffusion_lib.samplers import sample_ddim
from diffusion_lib.schedule import NoiseSchedule
from diffusion_lib.widgets import StepPlayer
schedule = NoiseSchedule.linear(500, 2e-4, 0.04)
x_T = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
StepPlayer(sample_ddim(lambda x, t: 0.9 * x, schedule, x_T, num_steps=12))
"""


def operate(page):
    """Keys, mouse and play, each of which must change the pixels; gives the captions seen."""
    player = page.locator(".step-player")
    player.wait_for()
    player.locator("figure:not(.missing) canvas").first.wait_for()
    place, caption = player.locator("input[type=range]"), player.locator(".caption")
    play = player.get_by_role("button", name="Play", exact=True)
    seen = [caption.inner_text()]
    place.focus()
    for action in (
        lambda: page.keyboard.press("ArrowRight"),
        lambda: page.keyboard.press("End"),
        lambda: page.keyboard.press("ArrowLeft"),
        lambda: page.mouse.click(*middle_of(place)),
        lambda: page.keyboard.press("Home"),
        play.click,
    ):
        changes(page, action, canvases(player))
        seen.append(caption.inner_text())
    return seen


def middle_of(element):
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_saved_file_plays_without_any_network(page, tmp_path):
    from diffusion_lib.widgets import StepPlayer

    generator = torch.Generator().manual_seed(0)
    x_T = torch.randn(3, 3, 16, 16, generator=generator)
    player = StepPlayer(sample_ddim(lambda x, t: 0.9 * x, SCHEDULE, x_T, num_steps=12))
    player.save_html(tmp_path / "player.html")
    player.close()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "player.html").as_uri())
    seen = operate(page)
    assert "t = 500" in seen[0] and len(set(seen)) >= 5
    assert not page.problems
    outside = [url for url in asked[1:] if not url.startswith(("blob:", "data:"))]
    assert not outside, "the file must hold everything"
    assert (tmp_path / "player.html").stat().st_size < 500_000


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The two JavaScript packages that an exported page loads from the internet, from npm."""
    folder = tmp_path_factory.mktemp("npm")
    names = ("requirejs@2.3.8", "@jupyter-widgets/html-manager@1.0.15")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *names]
    if shutil.which("npm") is None or subprocess.run(command, timeout=240).returncode:
        pytest.skip("npm did not bring the JavaScript that an exported page loads from the internet")
    return folder / "node_modules"


def test_the_exported_page_plays_without_a_kernel(page, packages, tmp_path):
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.strip())])
    nbformat.write(notebook, tmp_path / "player.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", str(tmp_path / "player.ipynb")]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    anywidget = Path(__import__("anywidget").__file__).parent / "nbextension" / "index.js"

    def serve(route):
        url = route.request.url
        if url.startswith(("file:", "blob:", "data:")):
            return route.continue_()
        if "require.min.js" in url:
            path = packages / "requirejs" / "require.js"
        elif "html-manager" in url:
            name = url.split("/dist/")[1].split("?")[0].removesuffix(".js")
            path = packages / "@jupyter-widgets" / "html-manager" / "dist" / f"{name}.js"
        elif "anywidget" in url:
            path = anywidget
        else:
            return route.abort()  # MathJax, which this page does not need
        route.fulfill(path=path, content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})

    page.route("**/*", serve)
    page.goto((tmp_path / "player.html").as_uri())
    assert len(set(operate(page))) >= 5
    assert not [text for text in page.problems if "net::ERR_" not in text]
