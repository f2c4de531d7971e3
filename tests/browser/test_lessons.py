"""Each lesson in a real JupyterLab: Run All without an error, and every widget by mouse and by keyboard."""

import re
from pathlib import Path

import pytest
from real_lab import canvases, changes, open_and_run

FOLDER = Path(__file__).parent.parent.parent / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def problems_of(page):
    return [text for text in page.problems if not re.search(r"favicon|404 .*\(Not Found\)", text)]


def panel(page, index=0):
    found = page.locator(".course-panel").nth(index)
    found.wait_for()
    found.scroll_into_view_if_needed()
    return found


def ready(widget, words):
    """The button with these words, once it can be pressed: what it started before has ended."""
    button = widget.locator("button:not([disabled])", has_text=words).first
    button.wait_for()
    return button


def pictures(widget):
    return lambda: widget.locator("img").evaluate_all("all => all.map(e => e.src)")


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
        everything_has_a_name(page)
    assert not problems_of(page), page.problems


def everything_has_a_name(page):
    """What a screen reader hears in the lesson's widget, as the browser itself works it out.

    A panel's script names what has just appeared a moment later, so it may take a few looks.
    """
    session = page.context.new_cdp_session(page)
    session.send("Accessibility.enable")
    for _ in range(100):
        try:
            problems = nameless(session)
        except Exception as error:  # Playwright's: a part of the page was replaced while it was read
            problems = [str(error)]
        if not problems:
            break
        page.wait_for_timeout(100)
    assert not problems, problems
    pressed = page.locator(".course-panel .widget-toggle-button[aria-pressed=true]").count()
    assert pressed == page.locator(".course-panel .widget-toggle-buttons").count()
    assert page.locator('.course-panel [title="null"]:visible').count() == 0


def nameless(session) -> list:
    """What is wrong in the panels: no controls, a control or a picture without a name, two with one name."""
    root = session.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    selector = {"nodeId": root, "selector": ".course-panel, .step-player"}
    panels = session.send("DOM.querySelectorAll", selector)["nodeIds"]
    problems = [] if panels else ["no panel"]
    for panel in panels:
        heard = session.send("Accessibility.queryAXTree", {"nodeId": panel})["nodes"]
        heard = [part for part in heard if not part.get("ignored")]
        controls = [name_of(part) for part in heard if is_a_control(part)]
        problems += [] if controls else ["a panel without controls"]
        problems += [part for part in controls if not part[1]]
        problems += [("twice", part) for part in set(controls) if controls.count(part) > 1]
        pictures = [name_of(part) for part in heard if name_of(part)[0] in ("image", "img", "progressbar")]
        problems += [part for part in pictures if len(part[1]) <= 4]
    return problems


def name_of(part):
    return part["role"]["value"], part.get("name", {}).get("value", "").strip()


def is_a_control(part):
    properties = {entry["name"]: entry["value"].get("value") for entry in part.get("properties", ())}
    # An entry of a list is heard with the list's own name: two lists may hold the same entries.
    return bool(properties.get("focusable")) and part["role"]["value"] != "option"


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
    ready(widget, "Draw").focus()
    changes(page, lambda: page.keyboard.press("Enter"), pictures(widget))


def mixer_of_kinds(page):
    widget = panel(page)
    assert widget.locator("select").count() == 2, "two kinds are chosen by name"
    widget.locator("select").first.select_option("non-hero/ghost")
    draw = widget.locator("button", has_text="Draw")
    changes(page, draw.click, pictures(widget))
    ready(widget, "Draw")
    widget.locator("select").nth(1).select_option("food/mushroom")
    share = widget.locator(".noUi-handle").nth(1)
    share.focus()
    changes(page, lambda: page.keyboard.press("PageUp"), widget.inner_text)
    draw.focus()
    changes(page, lambda: page.keyboard.press("Enter"), pictures(widget))
    widget.locator("b", has_text="food/mushroom").first.wait_for()


def ddim_explorer(page):
    widget = panel(page)
    widget.locator("button", has_text="Sample all").click()
    widget.get_by_text("Choose a cell").wait_for()
    ready(widget, "20 steps, η = 1").click()
    player = widget.locator(".step-player")
    path_of(player, 20).focus()
    changes(page, lambda: page.keyboard.press("ArrowRight"), canvases(player))
    # Another path arrives while the keys are in the player: they go on to work.
    ready(widget, "10 steps, η = 0.5").evaluate("button => button.click()")
    path_of(player, 10)
    changes(page, lambda: page.keyboard.press("ArrowRight"), canvases(player))
    ready(widget, "DDPM").focus()
    page.keyboard.press("Enter")
    widget.get_by_text(re.compile("Playing DDPM")).wait_for()


def path_of(player, steps):
    """The slider of the player, once it holds a path of so many steps and shows its pictures."""
    slider = player.locator(f"input[type=range][max='{steps}']")
    slider.wait_for()
    player.locator("figure:not(.missing) canvas").first.wait_for()
    return slider


OPERATED = {
    "01_unet": shape_inspector,
    "02_forward_noising": noise_explorer,
    "03_training": training_view,
    "04_ddpm_sampling": step_player,
    "05_context": context_mixer,
    "06_ddim": ddim_explorer,
    "07_your_own": mixer_of_kinds,
}
