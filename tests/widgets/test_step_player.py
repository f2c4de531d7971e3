"""The step player: which steps it keeps, what it says of them, their pixels, and the page of its own."""

import base64
import gc
import io
import json
import re
import time
import weakref

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from PIL import Image

from diffusion_lib.data import to_display
from diffusion_lib.samplers import SamplingStep, sample_ddim, sample_ddpm
from diffusion_lib.schedule import NoiseSchedule, add_noise
from diffusion_lib.widgets import StepPlayer, step_frames
from diffusion_lib.widgets.step_player import MAX_BYTES


def bent(x_t, t):
    """A stand-in for a network."""
    return torch.sin(3 * x_t)


def noise(samples=2, channels=3, size=16):
    return torch.randn(samples, channels, size, size, generator=torch.Generator().manual_seed(0))


def walk(num_steps=6, **of_noise):
    schedule = NoiseSchedule.linear(num_steps, 1e-4, 0.5)
    return list(sample_ddpm(bent, schedule, noise(**of_noise), generator=torch.Generator().manual_seed(1)))


def long_walk(samples=1, size=16, num_steps=500):
    """Pure noise everywhere, which no PNG makes smaller: the worst case."""
    schedule = NoiseSchedule.linear(num_steps)
    for t in range(num_steps, 0, -1):
        clean, noise = torch.randn(2, samples, 3, size, size)
        x_t = add_noise(schedule, clean, t, noise)
        yield SamplingStep(t, x_t, noise, schedule)
    yield SamplingStep(0, x_t, None, schedule)


def decode(sheet):
    return np.asarray(Image.open(io.BytesIO(sheet)))


def test_each_frame_shows_the_three_pictures_of_its_step():
    steps = walk()
    player = StepPlayer(steps)
    for frame, step in enumerate(steps):
        player.view.frame = frame
        for sample in (0, 1):
            player.view.sample = sample
            x_t, noise, clean = np.split(player.picture(), 3, axis=1)
            assert np.array_equal(x_t, to_display(step.x_t)[sample])
            assert np.array_equal(clean, to_display(step.predicted_clean)[sample])
            if step.t:
                assert np.array_equal(noise, to_display(step.predicted_noise)[sample])
            else:
                assert (noise == step_frames.NOTHING).all()


def test_the_sheet_that_the_browser_cuts_holds_the_same_pixels():
    player = StepPlayer(walk())
    for sample in (0, 1):
        player.view.sample = sample
        sheet = decode(player.view.sheets[sample])
        width, height = player.view.size
        for frame in range(len(player.view.captions)):
            player.view.frame = frame
            assert np.array_equal(sheet[frame * height : (frame + 1) * height], player.picture())
            assert sheet.shape[1] == 3 * width


def test_grey_images_are_stored_with_one_channel():
    sheet = decode(StepPlayer(walk(channels=1)).view.sheets[0])
    assert sheet.shape == (7 * 16, 3 * 16)


def test_captions_tell_t_noise_level_and_evaluations():
    schedule = NoiseSchedule.linear()
    steps = list(sample_ddim(bent, schedule, noise(), num_steps=5))
    captions = StepPlayer(steps).view.captions
    assert captions[0] == "t = 500 · noise level √(1−ᾱ) = 0.997 · network evaluations: 1 of 5"
    assert captions[-1].replace("\u2007", "") == (
        "t = 0 · noise level √(1−ᾱ) = 0.000 · network evaluations: 5 of 5"
    )
    assert len({len(caption) for caption in captions}) == 1  # as wide at each step: nothing jumps


@pytest.mark.parametrize(
    "schedule", [NoiseSchedule.linear(), NoiseSchedule.cosine(100)], ids=["linear", "cosine"]
)
def test_the_noise_level_of_a_frame_is_the_schedules(schedule):
    frames = step_frames.collect(sample_ddim(bent, schedule, noise(), num_steps=20))
    assert frames.noise_level == pytest.approx((1 - schedule.alpha_bar[frames.t]).sqrt().tolist())


def test_a_long_run_is_thinned_evenly_and_tells_the_truth():
    player = StepPlayer(long_walk())
    times, made = player.frames.t, player.frames.evaluations
    assert len(times) == 60 and times[0] == 500 and times[-1] == 0
    assert {a - b for a, b in zip(times, times[1:])} == {8, 9}
    assert all(evaluations == 501 - t for t, evaluations in zip(times[:-1], made)) and made[-1] == 500
    captions = [caption.replace("\u2007", "") for caption in player.view.captions]
    for caption, t, evaluations in zip(captions, times, made):
        assert caption.startswith(f"t = {t} ·")
        assert caption.endswith(f"network evaluations: {evaluations} of 500")
    assert player.view.note == "60 of 501 steps are shown, evenly spaced."
    assert StepPlayer(walk()).view.note == ""


@pytest.mark.parametrize(("total", "count"), [(1, 2), (2, 2), (60, 60), (61, 60), (500, 2), (1001, 60)])
def test_evenly_keeps_first_and_last_and_none_twice(total, count):
    kept = step_frames.evenly(total, count)
    assert kept[0] == 0 and kept[-1] == total - 1
    assert len(kept) == len(set(kept)) == min(total, count)


@pytest.mark.parametrize(("samples", "size"), [(1, 16), (8, 16), (3, 28), (1, 48)])
def test_what_a_notebook_stores_stays_under_500_kb(samples, size, tmp_path):
    player = StepPlayer(long_walk(samples, size, num_steps=80))
    stored = [sheet for sheet in player.view.sheets if sheet]
    assert sum(map(len, stored)) <= MAX_BYTES and len(stored) >= 1
    assert player.view.sheets[0]
    state = player.view.get_state()
    as_text = json.dumps({k: v for k, v in state.items() if k != "sheets"})
    assert len(as_text) + sum(-(-len(sheet) // 3) * 4 for sheet in stored) < 500_000
    assert player.save_html(tmp_path / "page.html").stat().st_size < 500_000
    if size == 16:
        assert len(player.frames.t) == 60  # sprites need not be thinned further


def test_choosing_a_sample_that_is_not_stored_sends_it():
    player = StepPlayer(long_walk(samples=8, num_steps=70))
    assert not player.view.sheets[6]
    player.view.sample = 6
    assert player.view.sheets[6] and sum(map(len, player.view.sheets)) <= MAX_BYTES
    height = player.view.size[1]
    assert np.array_equal(decode(player.view.sheets[6])[:height], player.picture())
    sheets = player.view.sheets
    player.view.sample = 7  # came along
    assert player.view.sheets == sheets


def test_controls_stay_within_their_range():
    view = StepPlayer(walk()).view
    for name, low, high in (("frame", 0, 6), ("sample", 0, 1), ("speed", 1, 60)):
        setattr(view, name, -5)
        assert getattr(view, name) == low
        setattr(view, name, 10_000)
        assert getattr(view, name) == high


def test_another_run_starts_at_its_first_frame():
    player = StepPlayer(walk(num_steps=9))
    player.view.frame, player.view.sample = 8, 1
    before = player.view.run
    player.play(step_frames.collect(walk(num_steps=3, samples=1)), sample=1)
    assert (player.view.frame, player.view.sample, player.view.num_samples) == (0, 0, 1)
    assert len(player.view.captions) == 4 and player.view.run == before + 1
    assert len(player.view.sheets) == 1


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "no step to play"),
        ([SamplingStep(1, torch.zeros(4, 2), torch.zeros(4, 2), NoiseSchedule.linear())], "must hold images"),
        ([SamplingStep(0, torch.zeros(1, 2, 4, 4), None, NoiseSchedule.linear())], "1 or 3, height"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_is_made(steps, words):
    before = len(_instances)
    with pytest.raises(ValueError, match=words):
        StepPlayer(steps)
    assert len(_instances) == before
    with pytest.raises(ValueError, match="max_frames must be at least 2, got 1"):
        StepPlayer(walk(), max_frames=1)


def test_the_page_of_its_own_holds_the_same_and_asks_for_nothing(tmp_path):
    player = StepPlayer(walk())
    player.view.frame = 3
    path = player.save_html(tmp_path / "new" / "player.html")
    text = path.read_text(encoding="utf-8")
    state = json.loads(re.search(r"const values = (\{.*\});", text).group(1))
    assert state["frame"] == 3 and state["captions"] == player.view.captions
    assert [base64.b64decode(sheet) for sheet in state["sheets"]] == player.view.sheets
    assert "default-src 'none'" in text and not re.search(r"https?://|src=|@import", text)
    assert '<html lang="en">' in text and text.count("</script>") == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["player.html"]


def test_the_page_has_each_value_that_the_program_reads():
    from diffusion_lib.widgets.step_page import FOLDER, TRAITS

    program = (FOLDER / "step_player.js").read_text(encoding="utf-8")
    read = set(re.findall(r'model\.get\("(\w+)"\)', program))
    assert read - {"stored_only"} == set(TRAITS) | {"sheets"}
    assert read - {"stored_only"} <= set(StepPlayer(walk()).view.keys)


def test_every_control_has_a_name_and_every_canvas_a_text():
    from diffusion_lib.widgets.step_page import FOLDER

    program = (FOLDER / "step_player.js").read_text(encoding="utf-8")
    for name in ("Frame ", "Speed ", "Sample "):
        assert f'labelled("{name}"' in program
    for words in ("First frame", "One frame back", "One frame on", "Last frame"):
        assert f'"{words}"' in program
    assert 'canvas.setAttribute("aria-label"' in program


def test_a_frame_or_another_sample_takes_less_than_30_ms():
    player = StepPlayer(long_walk(samples=4, num_steps=59))
    spent = []
    for _ in range(3):  # the quickest of three: other programs may be busy
        started = time.process_time()
        player._packed.clear()
        player.view.sample = 3 - player.view.sample
        player.view.frame = 30 - player.view.frame
        spent.append(time.process_time() - started)
    assert min(spent) < 0.03


def test_closing_leaves_nothing_behind():
    before = set(_instances)
    player = StepPlayer(walk())
    player.view.sample = 1
    player.close()
    player.close()
    assert set(_instances) == before
    gone = weakref.ref(player.view)
    del player
    gc.collect()
    assert gone() is None


def test_its_fallback_is_a_sentence():
    player = StepPlayer(walk())
    text = player._repr_mimebundle_()["text/plain"]
    assert text == repr(player) == StepPlayer.fallback and text.endswith(".")
