"""A real JupyterLab and a real Chromium, as plain functions: for these tests and benchmarks/keypress.py."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "there is no Chromium on this machine: the widgets are not tried in a browser"
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update")  # fmt: skip
SETTINGS = {
    # All cells stand in the page, also those that are not on the screen: the tests look for them there.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false"},  # it would ask on the screen
}


@contextmanager
def chromium() -> Iterator:
    """A browser of Playwright's, until the block ends."""
    # Not at the top: without a browser the package is not needed.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()


@contextmanager
def running_lab(folder: Path, theme: str = "JupyterLab Light", tiny: bool = True) -> Iterator[Callable]:
    """A JupyterLab on copies of the notebooks in `folder`: what it saves must not change ours.

    Gives a function from a path to the address under which JupyterLab opens it. tiny makes the lessons quick.
    """
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copytree(ROOT / "data", folder / "data", ignore=shutil.ignore_patterns("*.npz", "*.safetensors"))
    for name, values in (SETTINGS | {"apputils-extension/themes": {"theme": theme}}).items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    places = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    places["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    environment = os.environ | places | {"COURSE_TINY": "1" if tiny else "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
               f"--IdentityProvider.token={token}", "--allow-root", "--ServerApp.port_retries=0",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
               f"--ServerApp.root_dir={folder}"]  # fmt: skip
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api?token={token}", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (folder / "lab.log").read_text()
                time.sleep(0.5)
        yield lambda path: f"{address}/lab/tree/{path}?token={token}&reset"
    finally:
        server.terminate()
        server.wait(timeout=30)


def open_and_run(page, lab: Callable, name: str) -> None:
    """Opens a notebook, waits for its kernel, chooses Run All and waits for the last cell."""
    page.goto(lab(f"notebooks/{name}.ipynb"))
    # The notebook's own indicator says idle before the kernel is connected; the status bar does not.
    page.locator("#jp-main-statusbar", has_text=re.compile(r"\| Idle")).wait_for()
    page.keyboard.press("Control+b")  # the file browser away
    page.locator('.lm-MenuBar-itemLabel:text-is("Run")').click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    page.wait_for_function(
        """() => {
            // After an error the cells below are not run: the test that called looks for errors.
            if (document.querySelector('[data-mime-type="application/vnd.jupyter.error"]')) return true;
            const cells = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
            return cells.length && cells.every(e => /\\[\\d+\\]/.test(e.innerText)) &&
                   /\\| Idle/.test(document.querySelector('#jp-main-statusbar').innerText);
        }""",
        timeout=400_000,
    )


def changes(page, action: Callable[[], object], look: Callable[[], object]) -> None:
    """Does the action, and waits until what `look` gives has changed."""
    before = look()
    action()
    for _ in range(600):  # half a minute and more: the machine may have other work
        if look() != before:
            return
        page.wait_for_timeout(50)
    raise AssertionError("nothing changed")


def canvases(widget) -> Callable[[], str]:
    """Gives all pixels of a widget's canvases."""
    return lambda: widget.locator("canvas").evaluate_all("all => all.map(e => e.toDataURL()).join()")
