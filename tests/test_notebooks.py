"""What running a notebook cannot show: stored outputs, form, marks, and code that equals the library's.

python tests/test_notebooks.py --fix rewrites the hand-built cells from the library.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
LESSONS = sorted(FOLDER.glob("0[1-7]_*.ipynb"))
PROJECT = FOLDER / "08_from_an_empty_cell.ipynb"  # the learner writes all of it: it has no ten sections
ALL = sorted(path for path in FOLDER.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
SECTIONS = ("Setup", "See it", "The idea", "Build it", "Check it", "Use it", "Change it", "Find the bug",
            "Exercises", "What you now know")  # fmt: skip
HAND_BUILT = {
    "01_unet": {"EmbedFC", "UnetUp"},
    "02_forward_noising": {"add_noise"},
    "03_training": {"noise_prediction_loss"},
    "04_ddpm_sampling": {"ddpm_step", "sample_ddpm"},
    "05_context": {"guided", "guided_by"},
    "06_ddim": {"ddim_step", "sample_ddim"},
    "07_your_own": {"with_classes"},
}
HOME = re.compile(r"# from (diffusion_lib\.\w+)\n")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def text(cell):
    return "".join(cell["source"])


def code_cells(path):
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def name_of(path):
    return str(path.relative_to(FOLDER))


def without_docstrings(code):
    """The syntax tree as text, docstrings taken out."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def reads_and_overwrites(code):
    """The names that the top level of a cell first reads and then gives another value.

    What a function of the cell reads counts as read where the function stands, for it may be called there.
    """
    stored, read_first, found = set(), set(), set()

    def store(name):
        found.update({name} & read_first)
        stored.add(name)

    def visit(node, bound=frozenset()):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            arguments = node.args
            for default in (*arguments.defaults, *filter(None, arguments.kw_defaults)):
                visit(default, bound)
            own = {a.arg for a in ast.walk(arguments) if isinstance(a, ast.arg)}
            own |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            own |= {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef)}
            loads = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
            read_first.update(loads - own - bound - stored)
            if isinstance(node, ast.FunctionDef):
                store(node.name)
        elif isinstance(node, ast.ClassDef):
            store(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                stored.add((alias.asname or alias.name).split(".")[0])  # it stays what it is
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr, ast.For)):
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                read_first.update({node.target.id} - stored)
            first = node.iter if isinstance(node, ast.For) else node.value
            for part in filter(None, (first, *getattr(node, "targets", [getattr(node, "target", None)]))):
                visit(part, bound)
            for part in (*getattr(node, "body", ()), *getattr(node, "orelse", ())):
                visit(part, bound)
        elif isinstance(node, ast.Name) and node.id not in bound:
            if isinstance(node.ctx, ast.Load):
                read_first.update({node.id} - stored)
            else:
                store(node.id)
        else:
            for each in getattr(node, "generators", ()):
                bound = bound | {name.id for name in ast.walk(each.target) if isinstance(name, ast.Name)}
            for child in ast.iter_child_nodes(node):
                visit(child, bound)

    visit(ast.parse(code.replace("await ", ""), mode="exec"))
    return found


def hand_built(path):
    """(cell, module, name) for each cell that begins with `# from diffusion_lib...`."""
    for cell in code_cells(path):
        home = HOME.match(text(cell))
        if home:
            (node,) = ast.parse(text(cell)).body
            yield cell, home.group(1), node.name


@pytest.fixture(params=ALL, ids=name_of)
def notebook(request):
    return request.param


@pytest.fixture(params=LESSONS, ids=name_of)
def lesson(request):
    return request.param


def test_all_are_there():
    assert [path.stem for path in LESSONS] == sorted(HAND_BUILT)
    assert {path.stem for path in (FOLDER / "solutions").glob("*.ipynb")} == {*HAND_BUILT, PROJECT.stem}


def test_every_cell_was_run_in_order_and_kept_its_output(notebook):
    """A notebook with cleared outputs would pass nbval, which then has nothing to compare."""
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell["outputs"]) for cell in cells) >= len(cells) / 3


def test_outputs_are_clean(notebook):
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            assert output["output_type"] != "error", text(cell)
            assert output.get("name") != "stderr", text(cell)
            data = output.get("data", {})
            assert "application/vnd.jupyter.widget-view+json" not in data, "nothing would be shown for it"
            shown = json.dumps([value for kind, value in data.items() if not kind.startswith("image/")])
            shown += json.dumps(output.get("text", ""))
            assert not re.search(r"/(home|Users|root|tmp|work)/\w|[A-Z]:\\\\", shown), text(cell)


def test_ids_are_unique_and_no_widget_lacks_its_state(notebook):
    content = read(notebook)
    ids = [cell["id"] for cell in content["cells"]]
    assert len(set(ids)) == len(ids) and all(ids)
    assert "widgets" not in content["metadata"], "GitHub refuses widgets without state; we store none"
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook.stat().st_size < 1_000_000


def test_code_has_no_magic_and_wide_lines(notebook):
    """A mistyped %magic passes nbval and skips the rest of its cell."""
    for cell in code_cells(notebook):
        ast.parse(text(cell))  # fails for %magic and !shell
        assert "get_ipython" not in text(cell)
        assert "nbval-raises-exception" not in cell["metadata"].get("tags", []), "passes if nothing is raised"
        assert "NBVAL_RAISES_EXCEPTION" not in text(cell)
        assert max(map(len, text(cell).splitlines())) <= 88


def test_an_expected_error_must_come(notebook):
    """try/except alone would pass if nothing were raised: an else must complain."""
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(text(cell))):
            if isinstance(node, ast.Try) and node.handlers:
                assert node.orelse, text(cell)


def test_sections_stand_in_order(lesson):
    markdown = [text(cell) for cell in read(lesson)["cells"] if cell["cell_type"] == "markdown"]
    assert re.match(rf"# {lesson.stem[1]}\. |# {lesson.stem[:2]}\. ", markdown[0]), markdown[0]
    headings = [line for cell in markdown for line in cell.splitlines() if re.match(r"## \d", line)]
    assert len(headings) == len(SECTIONS)
    for number, (heading, section) in enumerate(zip(headings, SECTIONS), start=1):
        assert heading.startswith(f"## {number}. {section}"), heading


@pytest.mark.parametrize("path", [*LESSONS, PROJECT], ids=name_of)
def test_size_of_a_lesson(path):
    cells = read(path)["cells"]
    lengths = sorted(len(text(cell).splitlines()) for cell in cells if cell["cell_type"] == "code")
    assert lengths[len(lengths) // 2] <= 8 and lengths[-1] <= 25
    assert 30 <= len(cells) <= 85
    for cell in cells:
        tags = cell["metadata"].get("tags", [])
        assert set(tags) <= {"parameters", "exercise", "nbval-check-output"}, tags


def test_parameters_stubs_and_marks(lesson):
    tagged = [(cell, tag) for cell in code_cells(lesson) for tag in cell["metadata"].get("tags", [])]
    (parameters,) = [cell for cell, tag in tagged if tag == "parameters"]
    assert "COURSE_TINY" in text(parameters)
    stubs = [text(cell) for cell, tag in tagged if tag == "exercise"]
    assert len(stubs) >= (2 if lesson.stem == "01_unet" else 3)
    assert all("..." in stub for stub in stubs)
    assert any(tag == "nbval-check-output" for _, tag in tagged)
    assert sum("assert " in text(cell) for cell in code_cells(lesson)) >= 3


@pytest.mark.parametrize("path", [*LESSONS, PROJECT], ids=name_of)
def test_an_unsolved_lesson_says_so(path):
    shown = [
        "".join(output.get("text", ""))
        for cell in code_cells(path)
        if re.search(r"\.check\(", text(cell))
        for output in cell["outputs"]
    ]
    assert shown and all("Not attempted yet" in words for words in shown), shown


def test_the_project_begins_empty():
    """Each part is a stub, the network too; nothing of the library's core is imported."""
    cells = code_cells(PROJECT)
    (parameters,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assert "COURSE_TINY" in text(parameters)
    stubs = [text(cell) for cell in cells if "exercise" in cell["metadata"].get("tags", [])]
    assert len(stubs) == 9 and all("..." in stub for stub in stubs)
    imports = {
        n.module for cell in cells for n in ast.walk(ast.parse(text(cell))) if isinstance(n, ast.ImportFrom)
    }
    parts = ("data", "exercises", "plots")
    assert imports == {"torch", *(f"diffusion_lib.{part}" for part in parts)}


def test_the_worked_project_is_all_right():
    solved = FOLDER / "solutions" / PROJECT.name
    checks = [cell for cell in code_cells(solved) if re.search(r"\.check\(", text(cell))]
    assert len(checks) == 9
    for cell in checks:
        assert "".join(cell["outputs"][0]["text"]).startswith("Right."), text(cell)


@pytest.mark.parametrize("path", LESSONS, ids=name_of)
def test_hand_built_code_is_the_library_s(path):
    found = list(hand_built(path))
    assert {name for _, _, name in found} == HAND_BUILT[path.stem]
    for cell, module, name in found:
        library = textwrap.dedent(inspect.getsource(getattr(import_module(module), name)))
        same = without_docstrings(text(cell)) == without_docstrings(library)
        assert same, (
            f"{name} differs from {module}: run python tests/test_notebooks.py --fix, or mend the text"
        )


def test_links_lead_somewhere(notebook):
    for cell in read(notebook)["cells"]:
        if cell["cell_type"] == "markdown":
            for target in re.findall(r"\]\((?!http|#)([^)#]+)", text(cell)):
                assert (notebook.parent / target).exists(), target


def bare(code):
    """The library's text with each docstring cut to its first sentence, as a cell shows it."""
    lines = code.splitlines()
    for node in sorted(ast.walk(ast.parse(code)), key=lambda n: -getattr(n, "lineno", 0)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            doc = node.body[0]
            first = ast.get_docstring(node).split("\n\n")[0].replace("\n", " ")
            lines[doc.lineno - 1 : doc.end_lineno] = [" " * doc.col_offset + f'"""{first}"""']
    return "\n".join(lines)


def fix():
    for path in LESSONS:
        content = read(path)
        for cell in content["cells"]:
            home = HOME.match(text(cell)) if cell["cell_type"] == "code" else None
            if home:
                name = re.search(r"^(?:def|class) (\w+)", text(cell), re.M).group(1)
                library = textwrap.dedent(inspect.getsource(getattr(import_module(home.group(1)), name)))
                if without_docstrings(text(cell)) != without_docstrings(library):
                    cell["source"] = (home.group(0) + bare(library)).splitlines(keepends=True)
                    print(f"{path.name}: {name}")
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__" and "--fix" in sys.argv:
    sys.path.insert(0, str(ROOT))
    fix()


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_a_cell_can_be_run_twice(path):
    """None overwrites a variable that it has read from another cell: the second run would read its own."""
    for cell in code_cells(path):
        assert not reads_and_overwrites(text(cell)), text(cell)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("x = f(noise)\nnoise = 0", {"noise"}),
        ("rows = [r + y for r in z]\nz = 1\nr = 2", {"z"}),
        ("x += 1", {"x"}),
        ("x: int = x + 1", {"x"}),
        ("print(x := x + 1)", {"x"}),
        ("for x in x: pass", {"x"}),
        ("def f(): return noise\ny = f()\nnoise = 1", {"noise"}),
        ("def draw(s=seed): pass\nseed = 3", {"seed"}),
        ("f = lambda a=noise: a\nnoise = 1", {"noise"}),
        ("y = f(x)\ndef f(a): pass", {"f"}),
        ("a = 1\na = a + 1\nfor i in range(3):\n    a += i", set()),
        ("def f(a):\n    b = a\n    return b\nb = f(1)", set()),
        ("import x\ny = x.z\nz = lambda x: x", set()),
    ],
)
def test_what_a_cell_overwrites_is_found(code, names):
    assert reads_and_overwrites(code) == names
