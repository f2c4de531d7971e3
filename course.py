"""Sets the course up in its own .venv and starts it: python course.py lab, or python course.py test.

Needs Python 3.11 to 3.14 and nothing else. This file is the standard library alone, and is written so
that Python 3.6 and newer can read it and say what they lack.
"""

import argparse
import difflib
import errno
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
IN_VENV = os.path.join("Scripts", "python.exe") if os.name == "nt" else os.path.join("bin", "python")
PYTHON = os.path.join(VENV, IN_VENV)
STAMP = os.path.join(VENV, "course-stamp.txt")
OLDEST, NEWEST = (3, 11), (3, 14)  # for which there are packages of all that requirements.txt pins
ROOM = 3 * 10**9  # bytes that the packages take with room to unpack them
START = "notebooks/00_start_here.ipynb"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PYTHON_ORG = "https://www.python.org/downloads/"
VERSION = "{}.{}".format(*sys.version_info)
PLATFORM = sysconfig.get_platform()  # what this Python was built for: on an ARM machine it may be win-amd64
KIND = f"Python {VERSION} on " + ("macosx-arm64" if sys.platform == "darwin" else PLATFORM)

DESCRIPTION = """\
commands:
  lab             set up if need be, then open JupyterLab in the browser
  test [ARGS]     set up if need be, then run every test; ARGS go to pytest
  setup           set up only
  wheels FOLDER   download all packages into FOLDER, for machines without internet

options, after a command:
  --cpu           PyTorch without CUDA, from PyTorch's own index. On Linux a tenth of the download,
                  and enough for the whole course
  --from FOLDER   take the packages from there, not from the internet

The set-up goes into .venv beside this file and is skipped while the requirements stay the same.
To start over, delete .venv."""


class Problem(Exception):
    """Something that a person can put right, said in a sentence or two."""


def call(arguments, problem=None):
    """Runs a command with this folder as its place. Problem(problem) if it fails."""
    process = subprocess.Popen(arguments, cwd=ROOT)
    interrupted = False
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:  # the command has heard it too: let it end in its own way
            interrupted = True
    if status and problem:
        raise KeyboardInterrupt if interrupted else Problem(problem)
    return status


def misfit():
    """Why the course cannot run with this Python on this system. None if it can."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        old, new = ("{}.{}".format(*version) for version in (OLDEST, NEWEST))
        works = f"Python 3.13 from {PYTHON_ORG} works; 3.{NEWEST[1] + 1} is too new."
        return f"The course needs Python {old} to {new}, this one is {VERSION}. {works}"
    mac = platform.mac_ver()[0]  # empty elsewhere
    if sys.maxsize <= 2**32:
        wrong, right = "a 32-bit one", "a 64-bit one"
    elif PLATFORM == "win-arm64":
        wrong, right = "for Windows on ARM", "the one for x64, which Windows 11 on ARM runs,"
    elif mac and platform.machine() == "x86_64":
        wrong, right = "for Intel Macs", "(on a Mac with Apple's chip, in a terminal without Rosetta) the one"
    elif mac and 11 <= int(mac.split(".")[0]) < 14:  # an old Python may take any newer one for 10.16
        return f"PyTorch needs macOS 14 or newer, this is macOS {mac}: update it and run this command again."
    else:
        return None
    return f"This Python is {wrong}: PyPI has no PyTorch for it. Take {right} from {PYTHON_ORG}"


def requirements(with_tests):
    return ["requirements.txt"] + (["requirements-test.txt"] if with_tests else [])


def venv_python():
    """The version of .venv's Python, such as "3.13". Empty if there is none that runs."""
    ask = [PYTHON, "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
    try:
        return subprocess.check_output(ask, stderr=subprocess.DEVNULL, encoding="utf-8").strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def stamp(with_tests):
    """What .venv was made from: when it changes, the packages are installed again."""
    digest = hashlib.sha256(repr((venv_python(), ROOT)).encode())
    for name in requirements(with_tests):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def is_ready(with_tests):
    if not (os.path.exists(PYTHON) and os.path.exists(STAMP)):
        return False
    with open(STAMP) as file:
        return stamp(with_tests) in file.read().split()


def venv_is_usable():
    """Whether .venv has the Python that runs this, and pip, which an editor or uv leaves out."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return venv_python() == VERSION and (
        subprocess.call([PYTHON, "-m", "pip", "--version"], **quiet) == 0
        or subprocess.call([PYTHON, "-m", "ensurepip"], **quiet) == 0
    )


def make_venv():
    if venv_is_usable():
        return
    if os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        raise Problem(
            "The Python in " + VENV + " lacks pip, and it runs this very command.\n"
            "Leave it (deactivate), delete .venv and run the command again."
        )
    was = venv_python() and f", in place of the one for {venv_python()}"
    print(f"Making .venv for Python {VERSION}{was} ...", flush=True)
    new_venv(VENV)


def new_venv(place):
    try:
        import ensurepip  # noqa: F401  Debian and Ubuntu ship Python without it
        import lzma  # noqa: F401  the sprites are packed with it
        import venv  # noqa: F401
    except ImportError as error:
        raise Problem(
            f"This Python lacks the module {error.name}. On Debian and Ubuntu:\n"
            f"    sudo apt install python{VERSION}-venv\n"
            "If it lacks _lzma, build it again with liblzma-dev (or xz). Elsewhere install Python from\n"
            "python.org. Then run this command again."
        ) from None
    shutil.rmtree(place, ignore_errors=True)
    call([sys.executable, "-m", "venv", place], f"Python could not make {place} (see its message above).")


def cuda_is_of_no_use():
    """On Linux, PyPI's PyTorch brings gigabytes of CUDA; without NVIDIA's driver they lie idle."""
    driver = shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version")
    return sys.platform.startswith("linux") and not driver


def torch_requirement():
    with open(os.path.join(ROOT, "requirements.txt")) as file:
        return next(line.split("#")[0].strip() for line in file if line.startswith("torch=="))


def fetch(python, verb, names, cpu, where=(), source=None):
    """pip install, or pip download, of these requirement files, from the folder `source` or the internet."""
    command = [python, "-m", "pip", verb, "--quiet", "--disable-pip-version-check", *where]
    problem = (
        "pip could not get the packages (see its message above). The usual reasons: no connection to\n"
        "pypi.org, files.pythonhosted.org and, with --cpu, download.pytorch.org; a proxy that pip does not\n"
        "know (set HTTPS_PROXY); a proxy that opens encrypted connections (CERTIFICATE_VERIFY_FAILED above:\n"
        "set PIP_CERT to the file of its certificate); a full disk. Then run this again: nothing is lost."
    )
    if source:
        command += ["--no-index", "--find-links", source]
        problem = (
            f"pip could not install from {source} (see its message above). The packages there must be for\n"
            f"{KIND}, as .venv is: `python course.py wheels FOLDER` adds them on such a machine.\n"
            "If they are for another Python, run this command with that one: it makes .venv anew."
        )
    elif cpu:  # first, and from there alone: it then satisfies the pin below
        call(command + ["--index-url", CPU_INDEX, torch_requirement()], problem)
    for name in names:
        command += ["-r", name]
    call(command, problem)


def wheels(folder, cpu):
    """Everything that a machine without internet needs, for machines of this kind and Python."""
    print(f"Downloading for {KIND} into {folder} (minutes) ...", flush=True)
    # .venv may be of another Python, and pip picks the packages for the one that runs it.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        new_venv(place)
        where = ["--find-links", folder, "--dest", folder]
        fetch(os.path.join(place, IN_VENV), "download", requirements(True), cpu, where)
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    print(f"{folder}: {len(os.listdir(folder))} files, {size / 1e6:.0f} MB, now with all for {KIND}.")
    print("It can hold those for other Pythons and systems, too: pip picks what fits. In the room:")
    print('    python course.py lab --from "' + folder + '"')


def set_up(with_tests, cpu=False, folder=None):
    """Makes .venv and installs the pinned packages, unless that was done before."""
    if is_ready(with_tests):
        return
    free = shutil.disk_usage(ROOT).free
    if free < ROOM and not os.path.exists(STAMP):  # later runs add little
        raise Problem(
            f"The disk has {free / 1e9:.1f} GB free, the packages need {ROOM / 1e9:.0f} GB. "
            "Make room and run this command again."
        )
    if sys.platform == "win32" and len(ROOT) > 60:  # .venv adds up to 197, and Windows allows 260
        text = (
            "more than 60, and Windows allows 260 for a file: if pip fails, move the folder to a shorter one."
        )
        print(f"The path of this folder has {len(ROOT)} characters, {text}", flush=True)
    make_venv()
    print("Installing packages into .venv (minutes the first time) ...", flush=True)
    if cuda_is_of_no_use() and not cpu and not folder:
        print("No NVIDIA driver found: add --cpu to download a tenth (Ctrl-C now, then again).", flush=True)
    fetch(PYTHON, "install", requirements(with_tests), cpu, source=folder)
    problem = (
        "PyTorch does not start (see its message above). On Windows install Microsoft's Visual C++\n"
        "Redistributable, https://aka.ms/vs/17/release/vc_redist.x64.exe, and run this command again.\n"
        "Elsewhere delete .venv first."
    )
    call([PYTHON, "-c", "import torch"], problem)
    # So that notebooks in any folder, and kernels started from anywhere, find diffusion_lib.
    site = subprocess.check_output(
        [PYTHON, "-X", "utf8", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        encoding="utf-8",
    ).strip()
    with open(os.path.join(site, "diffusion-course.pth"), "w") as file:
        file.write(os.path.relpath(ROOT, site) + "\n")  # no name of a folder, which may be in any script
    done = [stamp(False)] + ([stamp(True)] if with_tests else [])
    with open(STAMP + ".tmp", "w") as file:
        file.write("\n".join(done) + "\n")
    os.replace(STAMP + ".tmp", STAMP)


def lab(more):
    """JupyterLab on localhost with its token, this folder as root, open at the first notebook."""
    # After ! in a cell `python` is then the course's own. (A terminal's shell may put another one first.)
    os.environ["PATH"] = os.path.dirname(PYTHON) + os.pathsep + os.environ.get("PATH", "")
    url = "--LabApp.default_url=/lab/tree/" + START if os.path.exists(os.path.join(ROOT, START)) else None
    return call([PYTHON, "-m", "jupyterlab"] + ([url] if url else []) + more)


def refuse(command, more):
    """Problem for arguments that nobody would read. lab and test hand theirs on, but for misspelt options."""
    takes = "the name of one folder and --cpu" if command == "wheels" else "--cpu and --from FOLDER"
    for place, word in enumerate(more):
        option = word.startswith("-")
        near = difflib.get_close_matches(word.split("=")[0].lower(), ["--cpu", "--from"], cutoff=0.75)
        if option and near or command == "setup" or command == "wheels" and (option or place):
            raise Problem(f"{command} does not take {word}. It takes {takes}.")
    if command == "wheels" and more and os.path.isfile(more[0]):
        raise Problem(f"wheels needs the name of a folder, and {more[0]} is a file.")


def main():
    if misfit():
        print(misfit(), file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(
        prog="python course.py", description="The diffusion course. To begin: python course.py lab",
        epilog=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("command", choices=("lab", "test", "setup", "wheels"))
    parser.add_argument("--cpu", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--from", dest="source", metavar="FOLDER", help=argparse.SUPPRESS)
    options, more = parser.parse_known_args(sys.argv[1:] or ["--help"])  # the rest: for JupyterLab or pytest
    try:
        if options.command == "wheels":
            refuse("wheels", more + ["--from"] * bool(options.source))
            folder = os.path.abspath(more[0] if more else "wheels")
            os.makedirs(folder, exist_ok=True)
            wheels(folder, options.cpu)
            return 0
        refuse(options.command, more)
        source = options.source and os.path.abspath(options.source)
        if source and not os.path.isdir(source):
            raise Problem("--from must name a folder of packages, got " + options.source)
        set_up(options.command != "lab", options.cpu, source)
        if options.command == "lab":
            return lab(more)
        if options.command == "test":
            return call([PYTHON, "-m", "pytest"] + more)
        print("Ready: python course.py lab")
        return 0
    except Problem as problem:
        print("\n" + str(problem), file=sys.stderr)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS):
            raise
        print("\n" + str(error) + "\nThe course writes to its own folder only: " + ROOT, file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
