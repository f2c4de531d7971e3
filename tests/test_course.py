"""course.py: what it says when something is missing, and that a finished set-up is not done again."""

import importlib.util
import os
import sys
import sysconfig
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
    with pytest.raises(SystemExit) as end:
        start(course, monkeypatch)
    assert end.value.code == 0
    assert "To begin: python course.py lab" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "version"), [("OLDEST", (99, 0)), ("NEWEST", (3, 9))])
def test_a_python_that_does_not_fit_is_told_so(course, monkeypatch, capsys, name, version):
    monkeypatch.setattr(course, name, version)
    assert start(course, monkeypatch, "lab") == 1
    expected = "99.0 to 3.14" if name == "OLDEST" else "3.11 to 3.9"
    error = capsys.readouterr().err
    assert f"The course needs Python {expected}, this one is {course.VERSION}." in error
    newer = "3.15" if name == "OLDEST" else "3.10"
    assert f"Python 3.13 from https://www.python.org/downloads/ works; {newer} is too new." in error


@pytest.mark.parametrize(
    ("maxsize", "built_for", "mac", "machine", "expected"),
    [
        (
            2**31 - 1,
            "win32",
            "",
            "AMD64",
            "This Python is a 32-bit one: PyPI has no PyTorch for it. Take a 64-bit",
        ),
        (
            2**63 - 1,
            "win-arm64",
            "",
            "ARM64",
            "This Python is for Windows on ARM: PyPI has no PyTorch for it.",
        ),
        (2**63 - 1, "win-amd64", "", "ARM64", None),  # which runs on Windows on ARM
        (
            2**63 - 1,
            "macosx-11.0-universal2",
            "15.1",
            "x86_64",
            "This Python is for Intel Macs: PyPI has no Py",
        ),
        (
            2**63 - 1,
            "macosx-11.0-universal2",
            "13.7.1",
            "arm64",
            "needs macOS 14 or newer, this is macOS 13.7.1:",
        ),
        (2**63 - 1, "macosx-11.0-universal2", "14.0", "arm64", None),
        (2**63 - 1, "macosx-11.0-universal2", "10.16", "arm64", None),  # so says an old Python of any macOS
        (2**63 - 1, "linux-x86_64", "", "x86_64", None),
    ],
)
def test_a_system_without_pytorch_is_refused(
    course, monkeypatch, capsys, maxsize, built_for, mac, machine, expected
):
    """Before there is a .venv, and before pip."""
    monkeypatch.setattr(course.sys, "maxsize", maxsize)
    monkeypatch.setattr(course, "PLATFORM", built_for)
    monkeypatch.setattr(course.platform, "mac_ver", lambda: (mac, ("", "", ""), ""))
    monkeypatch.setattr(course.platform, "machine", lambda: machine)
    begun = []
    monkeypatch.setattr(course, "set_up", lambda *arguments: begun.append(arguments))
    assert start(course, monkeypatch, "setup") == (1 if expected else 0)
    error = capsys.readouterr().err
    assert (expected in error and not begun) if expected else (error == "" and begun)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["setup", "--nonsense"], "setup does not take --nonsense. It takes --cpu and --from FOLDER."),
        (["setup", "lab"], "setup does not take lab."),
        (["lab", "--cup"], "lab does not take --cup. It takes --cpu and --from FOLDER."),
        (["test", "-x", "--form=wheels"], "test does not take --form=wheels."),
        (["wheels", "--dest"], "wheels does not take --dest. It takes the name of one folder and --cpu."),
        (["wheels", "one", "two"], "wheels does not take two."),
        (["wheels", "one", "--from", "two"], "wheels does not take --from."),
        (["wheels", __file__], f"wheels needs the name of a folder, and {__file__} is a file."),
    ],
)
def test_arguments_that_nobody_reads_are_refused(course, monkeypatch, capsys, tmp_path, arguments, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(course, "set_up", lambda *arguments: 1 / 0)
    monkeypatch.setattr(course, "wheels", lambda *arguments: 1 / 0)
    assert start(course, monkeypatch, *arguments) == 1
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "more",
    [["-k", "from or cpu", "tests/test_course.py"], ["--capture=no", "--pdb", "--co"], ["-k", "from"]],
)
def test_the_options_of_pytest_reach_it(course, monkeypatch, more):
    calls = []
    monkeypatch.setattr(course, "set_up", lambda *arguments: None)
    monkeypatch.setattr(course, "call", lambda arguments, problem=None: calls.append(arguments) or 0)
    assert start(course, monkeypatch, "test", *more, "--cpu") == 0
    assert calls == [[course.PYTHON, "-m", "pytest", *more]]


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


@pytest.mark.parametrize("version", ["3.10", "", "3.99"])
def test_a_venv_of_another_python_is_made_anew(course, monkeypatch, capsys, version):
    """As an editor makes them, or one that does not run, or the last Python that one had."""
    made = []
    monkeypatch.setattr(course, "venv_python", lambda: version)
    monkeypatch.setattr(course.subprocess, "call", lambda command, **options: 0)
    monkeypatch.setattr(course, "call", lambda command, problem=None: made.append(command))
    Path(course.VENV).mkdir()
    Path(course.PYTHON).touch()
    course.make_venv()
    assert made == [[sys.executable, "-m", "venv", course.VENV]] and not Path(course.VENV).exists()
    was = f", in place of the one for {version}" if version else ""
    assert f"Making .venv for Python {course.VERSION}{was} ...\n" in capsys.readouterr().out


def test_the_version_of_the_venv_is_that_of_its_python(course, monkeypatch):
    assert course.venv_python() == ""
    monkeypatch.setattr(course, "PYTHON", sys.executable)
    assert course.venv_python() == course.VERSION == "{}.{}".format(*sys.version_info)
    monkeypatch.setattr(course, "PYTHON", __file__)
    assert course.venv_python() == "", "it does not run"


@pytest.mark.parametrize("fails", ["pip", "none"])
def test_a_venv_without_pip_gets_it(course, monkeypatch, fails):
    calls = []
    monkeypatch.setattr(course, "venv_python", lambda: course.VERSION)
    monkeypatch.setattr(course.subprocess, "call", lambda c, **options: calls.append(c) or fails in c)
    monkeypatch.setattr(course, "call", lambda command, problem=None: 1 / 0)
    course.make_venv()
    asked = [[course.PYTHON, "-m", "pip", "--version"], [course.PYTHON, "-m", "ensurepip"]]
    assert calls == asked[: 2 if fails == "pip" else 1]


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
    error = capsys.readouterr().err
    assert "lacks the module ensurepip" in error and f"sudo apt install python{course.VERSION}-venv" in error
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "_lzma", None)  # as Python is built where liblzma-dev is missing
    monkeypatch.delitem(sys.modules, "lzma", raising=False)
    with pytest.raises(
        course.Problem, match="lacks the module _lzma.*\n.*\nIf it lacks _lzma, build it again with"
    ):
        course.new_venv("nowhere")


def test_a_failed_install_is_told_and_leaves_no_stamp(course, monkeypatch, capsys):
    monkeypatch.setattr(course, "make_venv", lambda: None)
    monkeypatch.setattr(course, "PYTHON", sys.executable)
    monkeypatch.setattr(course.subprocess, "Popen", lambda *a, **k: namedtuple("P", "wait")(lambda: 1))
    assert start(course, monkeypatch, "test") == 1
    error = capsys.readouterr().err
    assert "pip could not get the packages" in error
    assert all(host in error for host in ("pypi.org", "files.pythonhosted.org", "download.pytorch.org"))
    assert "HTTPS_PROXY" in error and "CERTIFICATE_VERIFY_FAILED above:\nset PIP_CERT" in error
    assert start(course, monkeypatch, "test", "--from", str(ROOT)) == 1
    error = capsys.readouterr().err
    assert f"pip could not install from {ROOT} " in error and "HTTPS_PROXY" not in error
    assert f"must be for\n{course.KIND}, as .venv is" in error and "it makes .venv anew" in error
    assert not Path(course.STAMP).exists()


def test_the_kind_of_packages(course):
    on = "macosx-arm64" if sys.platform == "darwin" else sysconfig.get_platform()
    assert course.KIND == f"Python {sys.version_info[0]}.{sys.version_info[1]} on {on}"


def test_a_pytorch_that_does_not_start_is_told_and_leaves_no_stamp(course, monkeypatch, capsys):
    def ends(arguments, **options):
        return namedtuple("P", "wait")(lambda: int("import torch" in arguments))

    monkeypatch.setattr(course, "make_venv", lambda: None)
    monkeypatch.setattr(course.subprocess, "Popen", ends)
    assert start(course, monkeypatch, "setup") == 1
    error = capsys.readouterr().err
    assert "PyTorch does not start (see its message above)" in error and "vc_redist.x64.exe" in error
    assert not Path(course.STAMP).exists()


@pytest.mark.parametrize(
    ("system", "length", "warned"), [("win32", 61, True), ("win32", 60, False), ("linux", 61, False)]
)
def test_a_path_too_long_for_windows_is_told(course, monkeypatch, capsys, system, length, warned):
    def stop():
        raise course.Problem("here")

    monkeypatch.setattr(course.sys, "platform", system)
    monkeypatch.setattr(course, "ROOT", "/" * length)
    monkeypatch.setattr(course, "make_venv", stop)
    assert start(course, monkeypatch, "setup") == 1
    assert (
        f"has {length} characters, more than 60, and Windows allows 260" in capsys.readouterr().out
    ) == warned


def test_set_up_is_done_once_for_the_same_requirements(course, monkeypatch):
    Path(course.VENV).mkdir()
    Path(course.PYTHON).touch()
    assert not course.is_ready(with_tests=False)
    monkeypatch.setattr(course, "venv_python", lambda: "3.12")
    Path(course.STAMP).write_text(course.stamp(False) + "\n")
    assert course.is_ready(with_tests=False) and not course.is_ready(with_tests=True)
    monkeypatch.setattr(course, "VERSION", "3.13")
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert course.is_ready(with_tests=False), "a finished .venv serves whichever Python runs the command"
    monkeypatch.setattr(course, "venv_python", lambda: "3.13")
    assert not course.is_ready(with_tests=False), "the system's Python has been replaced below it"
    monkeypatch.setattr(course, "venv_python", lambda: "3.12")
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
    *installs, torch, lab = calls
    assert torch == [sys.executable, "-c", "import torch"]
    assert lab[1:3] == ["-m", "jupyterlab"] and lab[-1] == "--port=9999" and "--cpu" not in lab
    assert ("https://download.pytorch.org/whl/cpu" in installs[0]) == cpu
    assert installs[-1][-2:] == ["-r", "requirements.txt"] and len(installs) == 1 + cpu
    if cpu:
        assert installs[0][-1].startswith("torch==") and "#" not in installs[0][-1]


def test_packages_from_a_folder_need_no_internet(course, monkeypatch, capsys, tmp_path):
    calls, places = [], []
    monkeypatch.setattr(course, "make_venv", lambda: None)
    monkeypatch.setattr(course, "new_venv", places.append)
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
    assert rest[rest.index("--dest") + 1] == str(folder) and "requirements-test.txt" in rest
    assert torch_alone[torch_alone.index("--dest") + 1] == str(folder)
    (place,) = places  # a .venv beside the course may be of another Python
    assert rest[0] == torch_alone[0] == os.path.join(place, course.IN_VENV) and not Path(place).exists()
    out = capsys.readouterr().out
    assert f"0 files, 0 MB, now with all for {course.KIND}." in out and "pip picks what fits" in out
    calls.clear()
    assert start(course, monkeypatch, "setup", "--from", str(folder), "--cpu") == 0
    install, torch = calls
    at = install.index("--no-index")
    assert (
        install[at : at + 3] == ["--no-index", "--find-links", str(folder)] and "--index-url" not in install
    )
    assert torch[1:] == ["-c", "import torch"]
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
