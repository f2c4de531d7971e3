"""The step player as a page of its own: one file with its pictures, its program and its style inside."""

import base64
import html
import json
from pathlib import Path

FOLDER = Path(__file__).parent

# Nothing may be loaded from anywhere: the file is complete.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:">
<title>{title}</title>
<style>
body {{ margin: 24px auto; padding: 0 16px; max-width: 760px; background: #ffffff; color: #1f1f1f;
  font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 22px; }}
{style}
</style>
</head>
<body>
<h1>{title}</h1>
<p>Each frame is one step from noise to an image. The arrow keys step, space plays.</p>
<div id="player"></div>
<script type="module">
{program}
// Here the page itself is the model: a few values, and those who want to hear of a change.
const values = {state};
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
values.sheets = values.sheets.map(bytes);
const listeners = new Map();
const model = {{
  get: (name) => values[name],
  set: (name, value) => {{
    values[name] = value;
    (listeners.get(`change:${{name}}`) ?? []).forEach((listener) => listener());
  }},
  save_changes: () => {{}},
  on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
  off: () => {{}},
}};
render({{ model, el: document.getElementById("player") }});
</script>
</body>
</html>
"""
TRAITS = ("frame", "sample", "speed", "captions", "note", "panels", "size", "num_samples")


def page(view, title: str = "From noise to an image") -> str:
    """The whole page for a StepView, as it stands now."""
    state = {name: getattr(view, name) for name in TRAITS}
    state["stored_only"] = True  # no kernel will send the other samples
    state["sheets"] = [base64.b64encode(sheet).decode() for sheet in view.sheets]
    return PAGE.format(
        title=html.escape(title),
        style=(FOLDER / "step_player.css").read_text(encoding="utf-8"),
        program=(FOLDER / "step_player.js").read_text(encoding="utf-8"),
        state=json.dumps(state, ensure_ascii=False).replace("</", "<\\/"),  # no early end of the script
    )
