"""course.py: what it says when something is missing, and that a finished set-up is not done again."""

import importlib.util
import sys
from collections import namedtuple
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def course(monkeypatch, tmp_path):
    """The file as a module, with its .venv in an empty folder."""
    spec = importlib.util.spec_from_file_location("course", ROOT / "course.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(module, "PYTHON", str(tmp_path / ".venv" / "python"))
    monkeypatch.setattr(module, "STAMP", str(tmp_path / ".venv" / "course-stamp.txt"))
    return module


def start(course, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["course.py", *arguments])
    return course.main()


def test_help_names_the_commands(course, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        start(course, monkeypatch, "--help")
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(f"  {command} " in text for command in ("lab", "test", "setup"))
    with pytest.raises(SystemExit) as end:
        start(course, monkeypatch, "labb")
    assert end.value.code == 2


def test_an_old_python_is_told_so(course, monkeypatch, capsys):
    monkeypatch.setattr(course, "OLDEST", (99, 0))
    assert start(course, monkeypatch, "lab") == 1
    assert "The course needs Python 99.0 or newer" in capsys.readouterr().err


def test_a_full_disk_is_told(course, monkeypatch, capsys):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(course.shutil, "disk_usage", lambda path: usage(10**9, 9 * 10**8, 10**8))
    assert start(course, monkeypatch, "lab") == 1
    assert "The disk has 0.1 GB free, the packages need 3 GB" in capsys.readouterr().err


def test_a_missing_venv_module_is_told(course, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ensurepip", None)  # as Debian and Ubuntu ship Python
    assert start(course, monkeypatch, "lab") == 1
    assert "sudo apt install python3." in capsys.readouterr().err


def test_a_failed_install_is_told_and_leaves_no_stamp(course, monkeypatch, capsys):
    monkeypatch.setattr(course, "make_venv", lambda: None)
    monkeypatch.setattr(course, "PYTHON", sys.executable)
    monkeypatch.setattr(course.subprocess, "Popen", lambda *a, **k: namedtuple("P", "wait")(lambda: 1))
    assert start(course, monkeypatch, "test") == 1
    assert "pip could not install the packages" in capsys.readouterr().err
    assert not Path(course.STAMP).exists()


def test_set_up_is_done_once_for_the_same_requirements(course, monkeypatch):
    Path(course.VENV).mkdir()
    Path(course.PYTHON).touch()
    assert not course.is_ready(with_tests=False)
    Path(course.STAMP).write_text(course.stamp(False) + "\n")
    assert course.is_ready(with_tests=False) and not course.is_ready(with_tests=True)
    monkeypatch.setattr(course, "requirements", lambda with_tests: ["requirements-test.txt"])
    assert not course.is_ready(with_tests=False), "other requirements are installed anew"
