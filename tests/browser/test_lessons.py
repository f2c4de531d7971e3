"""Each lesson in a real JupyterLab: Run All without an error, and every widget by mouse and by keyboard."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent.parent / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def open_and_run(page, lab, name):
    """Opens a notebook, waits for its kernel, chooses Run All and waits for the last cell."""
    page.goto(lab(f"notebooks/{name}.ipynb"))
    # The notebook's own indicator says idle before the kernel is connected; the status bar does not.
    page.locator("#jp-main-statusbar", has_text=re.compile(r"\| Idle")).wait_for()
    page.keyboard.press("Control+b")  # the file browser away
    page.locator('.lm-MenuBar-itemLabel:text-is("Run")').click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    page.wait_for_function(
        """() => {
            const cells = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
            return cells.length && cells.every(e => /\\[\\d+\\]/.test(e.innerText)) &&
                   /\\| Idle/.test(document.querySelector('#jp-main-statusbar').innerText);
        }""",
        timeout=400_000,
    )


def problems_of(page):
    return [text for text in page.problems if not re.search(r"favicon|404 .*\(Not Found\)", text)]


def panel(page, index=0):
    found = page.locator(".course-panel").nth(index)
    found.wait_for()
    found.scroll_into_view_if_needed()
    return found


def changes(page, action, look):
    """Does the action, and waits until what `look` gives has changed."""
    before = look()
    action()
    for _ in range(200):
        if look() != before:
            return
        page.wait_for_timeout(50)
    raise AssertionError("nothing changed")


def pictures(widget):
    return lambda: widget.locator("img").evaluate_all("all => all.map(e => e.src)")


def canvases(widget):
    return lambda: widget.locator("canvas").evaluate_all("all => all.map(e => e.toDataURL()).join()")


def drag(page, handle, by):
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y, steps=6)
    page.mouse.up()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_lesson(page, lab, name):
    open_and_run(page, lab, name)
    errors = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]')
    assert errors.count() == 0, errors.first.inner_text()
    assert page.locator(".jp-OutputArea-output", has_text="Error displaying widget").count() == 0
    if name in OPERATED:
        OPERATED[name](page)
    assert not problems_of(page), page.problems


def shape_inspector(page):
    widget = panel(page)
    layer = widget.locator(".widget-toggle-button", has_text="down1")
    changes(page, layer.click, pictures(widget))
    layer = widget.locator(".widget-toggle-button", has_text="up2")
    layer.focus()
    changes(page, lambda: page.keyboard.press("Space"), pictures(widget))
    assert "up2" in " ".join(widget.locator("img").evaluate_all("all => all.map(e => e.alt)"))
    size = widget.locator(".noUi-handle").first
    size.focus()
    changes(page, lambda: page.keyboard.press("ArrowRight"), widget.inner_text)
    changes(page, lambda: drag(page, size, 60), widget.inner_text)


def noise_explorer(page):
    widget = panel(page)
    t = widget.locator(".noUi-handle").first
    changes(page, lambda: drag(page, t, 80), pictures(widget))
    t.focus()
    changes(page, lambda: page.keyboard.press("ArrowRight"), pictures(widget))
    bug = widget.locator("input[type=checkbox]")
    bug.focus()
    changes(page, lambda: page.keyboard.press("Space"), pictures(widget))
    changes(page, widget.locator("button", has_text="New noise").click, pictures(widget))


def training_view(page):
    widget = panel(page)
    t = widget.locator(".noUi-handle").first
    t.focus()
    changes(page, lambda: page.keyboard.press("PageUp"), widget.inner_text)
    assert widget.locator("img").count() >= 2


def step_player(page):
    player = page.locator(".step-player").first
    player.scroll_into_view_if_needed()
    place = player.locator("input[type=range]")
    place.focus()
    page.keyboard.press("Home")
    changes(page, lambda: page.keyboard.press("ArrowRight"), canvases(player))
    changes(page, lambda: page.keyboard.press("End"), player.locator(".caption").inner_text)
    page.keyboard.press("Home")
    box = place.bounding_box()
    middle = (box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    changes(page, lambda: page.mouse.click(*middle), canvases(player))
    page.keyboard.press("Home")
    changes(page, player.get_by_role("button", name="Play").click, canvases(player))


def context_mixer(page):
    widget = panel(page)
    food = widget.locator(".widget-slider", has_text="food").locator(".noUi-handle")
    food.focus()
    changes(page, lambda: page.keyboard.press("ArrowRight"), widget.inner_text)
    draw = widget.locator("button", has_text="Draw")
    changes(page, draw.click, pictures(widget))
    widget.get_by_text(re.compile("Drawn in")).first.wait_for()
    page.wait_for_timeout(500)
    draw.focus()
    changes(page, lambda: page.keyboard.press("Enter"), pictures(widget))


def ddim_explorer(page):
    widget = panel(page)
    widget.locator("button", has_text="Sample all").click()
    widget.get_by_text("Choose a cell").wait_for()
    cell = widget.locator("button", has_text="η = 1").first
    cell.click()
    widget.get_by_text(re.compile("Playing DDIM")).wait_for()
    player = widget.locator(".step-player")
    player.locator("input[type=range]").focus()
    page.keyboard.press("Home")
    changes(page, lambda: page.keyboard.press("ArrowRight"), canvases(player))
    ddpm = widget.locator("button", has_text="DDPM").first
    ddpm.focus()
    page.keyboard.press("Enter")
    widget.get_by_text(re.compile("Playing DDPM")).wait_for()


OPERATED = {
    "01_unet": shape_inspector,
    "02_forward_noising": noise_explorer,
    "03_training": training_view,
    "04_ddpm_sampling": step_player,
    "05_context": context_mixer,
    "06_ddim": ddim_explorer,
}
