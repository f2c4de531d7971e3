"""Which exercises are done: a small file of the learner's own, beside the notebooks and never committed."""

import contextlib
import json
import os
from datetime import date
from pathlib import Path

from .files import write_text

FILE = Path(__file__).resolve().parent.parent / ".progress.json"


def progress_file() -> Path:
    """Where it is kept; COURSE_PROGRESS names another place."""
    return Path(os.environ.get("COURSE_PROGRESS") or FILE)


def done() -> dict[str, str]:
    """The key of each exercise that was answered right, and the day. Empty if there is no readable file."""
    try:
        kept = json.loads(progress_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def record_done(key: str) -> None:
    """Notes the exercise, once. A folder that cannot be written to is no reason to stop a lesson."""
    kept = done()
    if key not in kept:
        _write(kept | {key: date.today().isoformat()})


def reset_progress() -> None:
    """Forgets all exercises."""
    progress_file().unlink(missing_ok=True)


def _write(kept: dict[str, str]) -> None:
    with contextlib.suppress(OSError):
        write_text(progress_file(), json.dumps(kept, indent=1, sort_keys=True) + "\n")
