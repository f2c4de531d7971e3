"""The library keeps its form: floors, sizes, light imports, and nothing of one machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "diffusion_lib"
FLOORS = {
    "readers": -1,  # below `data`, which reads by them
    "schedule": 0, "unet": 0, "artwork": 0, "data": 0, "source": 0, "classifier": 0,
    "files": 0, "outcomes": 0, "limits": 0, "emphasis": 0, "interrupt": 0, "devices": 0, "processes": 0,
    "sprites": 1, "samplers": 1, "guidance": 1, "training": 1, "checkpoints": 1, "tracing": 1, "toy": 1,
    "widening": 1, "progress": 1, "palette": 1, "autoguidance": 1, "folding": 1,
    "metrics": 2, "drawing": 2, "plots": 2, "diagram": 2, "checks": 2,
    "yardstick": 3, "run_folder": 3,
    "widgets": 3, "exercises": 3,  # folders: a module each, whose files may import each other
    "train": 4, "average": 4, "evaluate": 4, "symptoms": 4,
}  # fmt: skip
CORE = ("schedule", "unet", "samplers", "guidance", "training")
FILES = sorted(path for path in LIBRARY.rglob("*.py") if path != LIBRARY / "__init__.py")
MODULES = sorted({path.relative_to(LIBRARY).parts[0].removesuffix(".py") for path in FILES})
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LIBRARY)))


def files(module):
    """The files of a module: one, or those of its folder."""
    return [path for path in FILES if path.relative_to(LIBRARY).parts[0].removesuffix(".py") == module]


def imports(module):
    """The modules of this library that one imports, and the others' top-level names."""
    own, others = set(), set()
    for path in files(module):
        inside = len(path.relative_to(LIBRARY).parts) - 1  # 1 in a folder, where one dot is the folder
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                if node.level > inside:
                    names = {alias.name for alias in node.names}
                    own |= {node.module.split(".")[0]} if node.module else names
            elif isinstance(node, ast.ImportFrom) and node.module.startswith("diffusion_lib"):
                raise AssertionError(f"{path.name}: imports within the library are relative")
            elif isinstance(node, ast.ImportFrom):
                others.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                others |= {alias.name.split(".")[0] for alias in node.names}
    return own, others


def test_every_module_has_a_floor():
    assert MODULES == sorted(FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_only(module):
    for below in imports(module)[0]:
        assert FLOORS[below] < FLOORS[module], f"{module} (floor {FLOORS[module]}) imports {below}"


@pytest.mark.parametrize("module", MODULES)
def test_only_pictures_import_matplotlib_and_widgets(module):
    drawing = imports(module)[1] & {"matplotlib", "ipywidgets", "PIL"}
    if module == "readers":
        drawing -= {"PIL"}  # it opens picture files and draws nothing
    assert not drawing or module in ("plots", "widgets", "diagram")


@each_file
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 230


def test_the_core_can_be_read_in_an_hour():
    total = sum(len((LIBRARY / f"{m}.py").read_text(encoding="utf-8").splitlines()) for m in CORE)
    assert total <= 800


def test_the_samplers_need_torch_alone():
    """In a fresh interpreter, after torch is there, importing them loads nothing but this library."""
    code = (
        "import sys, torch; before = set(sys.modules)\n"
        "import diffusion_lib.samplers, diffusion_lib.guidance\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'torch'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "['diffusion_lib']"


@each_file
def test_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), path.name
    if path.parent.name == "exercises":
        return  # worked answers and wrong ones: their task stands in the lesson
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            if node.name not in ("main", "parse"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_requirements_are_pinned_and_reasoned():
    for file in ("requirements.txt", "requirements-test.txt"):
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "-r ")):
                requirement, reason = line.split("#", 1)
                assert "==" in requirement and len(reason.strip()) > 10, line


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_style(arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_of_one_machine_is_committed():
    """No absolute path of a person's machine in any text of the repository."""
    home = re.compile(r"/(home|Users|root)/\w|[A-Z]:\\Users")
    own = ("diffusion_lib", "diffusion_lib/widgets", "diffusion_lib/exercises", "diffusion_lib/symptoms")
    own += ("tests", "tests/widgets", "tests/browser", "tests/exercises", "benchmarks")
    for folder in ("", *own, "data", "data/artwork", "data/checkpoints"):
        for path in (ROOT / folder).iterdir():
            if path.suffix in (".py", ".md", ".txt", ".toml") and path.name != Path(__file__).name:
                assert not home.search(path.read_text(encoding="utf-8")), path
