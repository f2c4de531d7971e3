"""python tests/rebuild_notebooks.py [notebook ...] runs notebooks and stores their outputs, clean.

All of them by default: after a change of the library or of the shipped model. What only a running kernel can
show is left out: widget views (their sentence stays), progress bars, warnings of the kernel. A notebook in
which a cell fails is left as it was.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from diffusion_lib.files import written_whole

FOLDER = Path(__file__).parent.parent / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"
PROGRESS = re.compile(r"^(HBox|\s*\d+%\|)|FloatProgress")


def clean(outputs: list) -> list:
    """Without stderr, progress bars and widget views; pieces of one stream put together."""
    kept = []
    for output in outputs:
        data = output.get("data", {})
        if output.get("name") == "stderr" or (WIDGET in data and PROGRESS.search(data["text/plain"])):
            continue
        data.pop(WIDGET, None)
        if kept and output.output_type == kept[-1].output_type == "stream":
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def rebuild(path: Path) -> None:
    """Runs one notebook in its own folder and writes it, whole or not at all."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=900,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = clean(cell.outputs)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    with written_whole(path) as temporary:
        nbformat.write(notebook, temporary)


if __name__ == "__main__":
    # The list of exercises in 00 is stored as a learner first sees it.
    os.environ["COURSE_PROGRESS"] = str(Path(tempfile.mkdtemp()) / "progress.json")
    for notebook in [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in notebook.parts:
            print(notebook, flush=True)
            rebuild(notebook)
