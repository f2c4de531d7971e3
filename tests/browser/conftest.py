"""A real JupyterLab and a real Chromium, for the tests in this folder. Skipped where there is no Chromium."""

import os
from pathlib import Path

import pytest
from real_lab import CHROMIUM, NO_CHROMIUM, chromium, running_lab


# Module scope: the browser's event loop must be gone before nbval, which runs in the same process, starts
# one of its own.
@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab on copies of the notebooks: what it saves must not change ours."""
    with running_lab(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture
def page(browser, request, tmp_path):
    """A page that gathers what goes wrong, in `page.problems`, and keeps a screenshot of its end."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(120_000)
    page.problems = []
    page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    folder = Path(os.environ.get("COURSE_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{request.node.name}.png")
    page.close()
