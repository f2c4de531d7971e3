"""course.py: what it says when something is missing, and that a finished set-up is not done again."""

import importlib.util
import os
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
    monkeypatch.setenv("PATH", os.environ["PATH"])  # `lab` puts .venv in front
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


@pytest.mark.parametrize(("name", "version"), [("OLDEST", (99, 0)), ("NEWEST", (3, 9))])
def test_a_python_that_does_not_fit_is_told_so(course, monkeypatch, capsys, name, version):
    monkeypatch.setattr(course, name, version)
    assert start(course, monkeypatch, "lab") == 1
    expected = "99.0 to 3.14" if name == "OLDEST" else "3.11 to 3.9"
    assert f"The course needs Python {expected}, this one is" in capsys.readouterr().err


def test_the_venv_that_is_at_work_is_not_deleted(course, monkeypatch, capsys):
    made = []
    monkeypatch.setattr(course.subprocess, "call", lambda command, **options: 1)
    monkeypatch.setattr(course, "call", lambda command, problem=None: made.append(command))
    Path(course.VENV).mkdir()
    Path(course.PYTHON).touch()
    monkeypatch.setattr(sys, "prefix", course.VENV)
    assert start(course, monkeypatch, "lab") == 1
    assert "delete .venv and run the command again" in capsys.readouterr().err
    assert Path(course.PYTHON).exists() and not made


def test_a_foreign_venv_is_made_anew(course, monkeypatch):
    """As an editor makes them with an older Python."""
    made = []
    monkeypatch.setattr(course.subprocess, "call", lambda command, **options: 1)
    monkeypatch.setattr(course, "call", lambda command, problem=None: made.append(command))
    Path(course.VENV).mkdir()
    Path(course.PYTHON).touch()
    course.make_venv()
    assert made == [[sys.executable, "-m", "venv", course.VENV]] and not Path(course.VENV).exists()


def test_a_venv_without_pip_gets_it(course, monkeypatch):
    calls = []
    fails = "pip"
    monkeypatch.setattr(course.subprocess, "call", lambda c, **options: calls.append(c) or fails in c)
    monkeypatch.setattr(course, "call", lambda command, problem=None: 1 / 0)
    Path(course.VENV).mkdir()
    Path(course.PYTHON).touch()
    course.make_venv()
    assert calls[-1] == [course.PYTHON, "-m", "ensurepip"]


def test_ctrl_c_in_the_install_is_no_lost_connection(course, monkeypatch, capsys):
    class Pip:
        def __init__(self, arguments, cwd):
            self.asked = 0

        def wait(self):
            self.asked += 1
            if self.asked == 1:
                raise KeyboardInterrupt
            return 1

    monkeypatch.setattr(course, "make_venv", lambda: None)
    monkeypatch.setattr(course.subprocess, "Popen", Pip)
    assert start(course, monkeypatch, "setup") == 1
    assert capsys.readouterr().err == "\nStopped.\n"


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
    assert "pip could not get the packages" in capsys.readouterr().err
    assert not Path(course.STAMP).exists()


def test_set_up_is_done_once_for_the_same_requirements(course, monkeypatch):
    Path(course.VENV).mkdir()
    Path(course.PYTHON).touch()
    assert not course.is_ready(with_tests=False)
    Path(course.STAMP).write_text(course.stamp(False) + "\n")
    assert course.is_ready(with_tests=False) and not course.is_ready(with_tests=True)
    monkeypatch.setattr(course, "requirements", lambda with_tests: ["requirements-test.txt"])
    assert not course.is_ready(with_tests=False), "other requirements are installed anew"


def test_in_the_lab_python_is_the_courses_own(course, monkeypatch):
    """JupyterLab gets it in front of PATH, for `!python` in a cell."""
    before, seen = os.environ["PATH"], []
    monkeypatch.setattr(course, "set_up", lambda *arguments: None)
    monkeypatch.setattr(course, "call", lambda arguments, problem=None: seen.append(os.environ["PATH"]) or 0)
    assert start(course, monkeypatch, "lab") == 0
    assert seen == [course.VENV + os.pathsep + before]  # here PYTHON lies right in it


@pytest.mark.parametrize(
    ("platform", "cpu", "hint"), [("linux", False, True), ("linux", True, False), ("darwin", False, False)]
)
def test_the_cpu_build_comes_from_its_own_index(course, monkeypatch, capsys, platform, cpu, hint):
    calls = []
    monkeypatch.setattr(course, "make_venv", lambda: None)
    monkeypatch.setattr(course, "PYTHON", sys.executable)
    monkeypatch.setattr(course, "call", lambda arguments, problem=None: calls.append(arguments) or 0)
    monkeypatch.setattr(course.subprocess, "check_output", lambda *a, **k: course.VENV)
    monkeypatch.setattr(course.sys, "platform", platform)
    monkeypatch.setattr(course.shutil, "which", lambda name: None)
    monkeypatch.setattr(course.os.path, "exists", lambda path, real=Path.exists: real(Path(path)))
    Path(course.VENV).mkdir()
    assert start(course, monkeypatch, "lab", *(["--cpu"] if cpu else []), "--port=9999") == 0
    assert ("add --cpu" in capsys.readouterr().out) == hint
    *installs, lab = calls
    assert lab[1:3] == ["-m", "jupyterlab"] and lab[-1] == "--port=9999" and "--cpu" not in lab
    assert ("https://download.pytorch.org/whl/cpu" in installs[0]) == cpu
    assert installs[-1][-2:] == ["-r", "requirements.txt"] and len(installs) == 1 + cpu
    if cpu:
        assert installs[0][-1].startswith("torch==") and "#" not in installs[0][-1]


def test_packages_from_a_folder_need_no_internet(course, monkeypatch, capsys, tmp_path):
    calls = []
    monkeypatch.setattr(course, "make_venv", lambda: None)
    monkeypatch.setattr(course, "call", lambda arguments, problem=None: calls.append(arguments) or 0)
    monkeypatch.setattr(course.subprocess, "check_output", lambda *a, **k: course.VENV)
    Path(course.VENV).mkdir()
    monkeypatch.setattr(course, "ROOT", str(tmp_path))
    (tmp_path / "requirements.txt").write_text("torch==1\n")
    (tmp_path / "requirements-test.txt").touch()
    folder = tmp_path / "wheels of the room"
    assert start(course, monkeypatch, "wheels", str(folder), "--cpu") == 0
    torch_alone, rest = calls
    assert torch_alone[3] == rest[3] == "download" and "--index-url" in torch_alone
    assert rest[-2:] == ["--dest", str(folder)] and "requirements-test.txt" in rest
    assert "0 files, 0 MB" in capsys.readouterr().out
    calls.clear()
    assert start(course, monkeypatch, "setup", "--from", str(folder), "--cpu") == 0
    (install,) = calls
    assert install[-3:] == ["--no-index", "--find-links", str(folder)] and "--index-url" not in install
    assert Path(course.VENV, "diffusion-course.pth").read_text() == "..\n"  # whatever the folders are called
    assert start(course, monkeypatch, "lab", "--from", str(tmp_path / "nowhere")) == 1
    assert "--from must name a folder of packages" in capsys.readouterr().err


@pytest.mark.parametrize(("system", "python"), [("nt", "Scripts/python.exe"), ("posix", "bin/python")])
def test_where_python_lies_on_each_system(system, python):
    """Windows is imitated here, not tried."""
    code = (ROOT / "course.py").read_text(encoding="utf-8")
    module = {"__name__": "course", "__file__": str(ROOT / "course.py")}
    before = os.name
    try:
        os.name = system
        exec(compile(code, "course.py", "exec"), module)
    finally:
        os.name = before
    assert Path(module["PYTHON"]).as_posix().endswith(".venv/" + python)
