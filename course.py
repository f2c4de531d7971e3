"""Sets the course up in its own .venv and starts it: python course.py lab, or python course.py test.

Needs Python 3.11 to 3.14 and nothing else. This file is the standard library alone, and is written so
that Python 3.6 and newer can read it and say what they lack.
"""

import argparse
import errno
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(
    VENV, "Scripts" if os.name == "nt" else "bin", "python.exe" if os.name == "nt" else "python"
)
STAMP = os.path.join(VENV, "course-stamp.txt")
OLDEST, NEWEST = (3, 11), (3, 14)  # for which there are packages of all that requirements.txt pins
ROOM = 3 * 10**9  # bytes that the packages take with room to unpack them
START = "notebooks/00_start_here.ipynb"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

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


def requirements(with_tests):
    return ["requirements.txt"] + (["requirements-test.txt"] if with_tests else [])


def stamp(with_tests):
    """What .venv was made from: when it changes, the packages are installed again."""
    digest = hashlib.sha256(repr((sys.version_info[:3], ROOT)).encode())
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
    """Whether .venv has a Python of a version that fits, and pip, which an editor or uv leaves out."""
    if not os.path.exists(PYTHON):
        return False
    fits = f"import sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.call([PYTHON, "-c", fits], **quiet) == 0 and (
        subprocess.call([PYTHON, "-m", "pip", "--version"], **quiet) == 0
        or subprocess.call([PYTHON, "-m", "ensurepip"], **quiet) == 0
    )


def make_venv():
    if venv_is_usable():
        return
    if os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        raise Problem(
            "The Python in " + VENV + " lacks pip or is of another version than the course needs, and it\n"
            "runs this very command. Leave it (deactivate), delete .venv and run the command again."
        )
    print("Making .venv ...", flush=True)
    try:
        import lzma  # noqa: F401  the sprites are packed with it
    except ImportError:
        raise Problem(
            "This Python was built without lzma. Install liblzma-dev (or xz) and build it again, or take\n"
            "Python from python.org."
        ) from None
    try:
        import ensurepip  # noqa: F401  Debian and Ubuntu ship Python without it
        import venv  # noqa: F401
    except ImportError:
        version = "{}.{}".format(*sys.version_info[:2])
        raise Problem(
            "This Python lacks the modules venv and ensurepip. On Debian and Ubuntu:\n"
            "    sudo apt install python" + version + "-venv\n"
            "Elsewhere install Python from python.org, then run this command again."
        ) from None
    shutil.rmtree(VENV, ignore_errors=True)
    call([sys.executable, "-m", "venv", VENV], "Python could not make " + VENV + " (see its message above).")


def cuda_is_of_no_use():
    """On Linux, PyPI's PyTorch brings gigabytes of CUDA; without NVIDIA's driver they lie idle."""
    driver = shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version")
    return sys.platform.startswith("linux") and not driver


def torch_requirement():
    with open(os.path.join(ROOT, "requirements.txt")) as file:
        return next(line.split("#")[0].strip() for line in file if line.startswith("torch=="))


def fetch(verb, names, cpu, where):
    """pip install, or pip download, of these requirement files."""
    command = [PYTHON, "-m", "pip", verb, "--quiet", "--disable-pip-version-check"]
    problem = (
        "pip could not get the packages (see its message above). The usual reasons: no connection to the\n"
        "internet, a proxy that pip does not know (set HTTPS_PROXY), a full disk, or a processor for which\n"
        "there is no PyTorch (Macs with Intel's, Windows on ARM). Nothing is lost: run this command again\n"
        "once that is fixed."
    )
    if cpu and "--no-index" not in where:  # first, and from there alone: it then satisfies the pin below
        call(command + where + ["--index-url", CPU_INDEX, torch_requirement()], problem)
    for name in names:
        command += ["-r", name]
    call(command + where, problem)


def wheels(folder, cpu):
    """Everything that a machine without internet needs, for machines of this kind and Python."""
    make_venv()
    print("Downloading into " + folder + " (minutes) ...", flush=True)
    fetch("download", requirements(True), cpu, ["--find-links", folder, "--dest", folder])
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    print(f"{folder}: {len(os.listdir(folder))} files, {size / 1e6:.0f} MB. In the room, with this folder:")
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
    make_venv()
    print("Installing packages into .venv (minutes the first time) ...", flush=True)
    if cuda_is_of_no_use() and not cpu and not folder:
        print("No NVIDIA driver found: add --cpu to download a tenth (Ctrl-C now, then again).", flush=True)
    fetch("install", requirements(with_tests), cpu, ["--no-index", "--find-links", folder] if folder else [])
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


def main():
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        have, old, new = ("{}.{}".format(*version[:2]) for version in (sys.version_info, OLDEST, NEWEST))
        print(f"The course needs Python {old} to {new}, this one is {have}.", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(
        prog="python course.py", description="The diffusion course.", epilog=DESCRIPTION, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("command", choices=("lab", "test", "setup", "wheels"))
    parser.add_argument("--cpu", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--from", dest="source", metavar="FOLDER", help=argparse.SUPPRESS)
    options, more = parser.parse_known_args()  # the rest is for JupyterLab or pytest
    try:
        if options.command == "wheels":
            folder = os.path.abspath(more[0] if more else "wheels")
            os.makedirs(folder, exist_ok=True)
            wheels(folder, options.cpu)
            return 0
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
