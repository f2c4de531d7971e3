"""Files that appear whole or not at all."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ON_WINDOWS = os.name == "nt"
PATIENCE = 2.0  # seconds


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Gives a temporary name beside `path` to write to; at the end of the block it becomes `path`.

    Whenever the program dies, `path` holds either the old file or the new one, whole. Makes the folder
    if it is missing. If the block raises, the old file stays and the temporary one goes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # on the disk before the name points to it
        _rename(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # a disk that can only be read has none, and says so
            temporary.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Writes a text in UTF-8, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _rename(temporary: Path, path: Path) -> None:
    """os.replace, which Windows refuses while anyone has the old file open: a notebook, a virus scanner."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return os.replace(temporary, path)
        except PermissionError:
            if not ON_WINDOWS or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
