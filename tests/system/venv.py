"""The Python packages of the system tests, in build/venv.

A test says `import venv; venv.enter()` before it imports what is not Python's own: the venv is made
when it is not there or is not what requirements.txt says, and the program starts again inside it.
"""
import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / "build" / "venv"
REQUIREMENTS = HERE / "requirements.txt"


def make():
    """Make build/venv what requirements.txt says. Two tests may ask at once."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV / "requirements.sha256"
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(VENV.parent / "venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run(
            [VENV / "bin" / "python", "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", "--requirement", REQUIREMENTS], check=True)
        stamp.write_text(wanted)


def enter():
    """Go on inside build/venv. Returns there; elsewhere it replaces this program."""
    if pathlib.Path(sys.prefix).resolve() == VENV.resolve():
        return
    make()
    python = str(VENV / "bin" / "python")
    os.execv(python, [python, *sys.argv])


if __name__ == "__main__":
    make()
    print(VENV)
