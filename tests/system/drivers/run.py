"""The drivers of other languages on a ring of three; run by scripts/driver-test.

Each language has a folder here; it is copied to build/drivers/, its packages come from its own
registry by its own client, and its program gets the addresses of the nodes and ends with
"N passed, N failed". A language without its tools is a line that begins with SKIP, and counts for
nothing.
"""
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import ring as rings

INSTALL_SECONDS = 600
RUN_SECONDS = 180

LANGUAGES = {
    "node": (["node", "npm"], ["npm install --no-audit --no-fund --loglevel=error"],
             ["node", "test.js"]),
    "go": (["go"], ["go build -o drivertest ."], ["./drivertest"]),
    "java": (["javac", "mvn"],
             ["mvn -B -q dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib",
              "javac -nowarn -processor com.datastax.oss.driver.internal.mapper.processor."
              "MapperProcessor -cp 'lib/*' -d classes DriverTest.java Shop.java"],
             ["java", "-Xmx256m", "-cp", "classes:lib/*", "DriverTest"]),
}


def prepare(name, commands):
    """The folder in build/drivers with all that is needed; None when that failed."""
    folder = rings.ROOT / "build" / "drivers" / name
    shutil.copytree(HERE / name, folder, dirs_exist_ok=True)
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=folder, timeout=INSTALL_SECONDS, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            print(f"{name}: {command}:\n{done.stdout[-3000:]}")
            return None
    return folder


def run(name, ring):
    """(passed, failed), or None when the language is not here."""
    tools, commands, program = LANGUAGES[name]
    missing = [t for t in tools if shutil.which(t) is None]
    if missing:
        print(f"SKIP {name}: no {' and no '.join(missing)} here; nothing of it was tested")
        return None
    print(f"--- {name}", flush=True)
    folder = prepare(name, commands)
    if folder is None:
        return 0, 1
    try:
        done = subprocess.run([*program, *ring.addresses], cwd=folder, timeout=RUN_SECONDS,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired as e:
        print(f"{(e.stdout or b'').decode()}\n{name}: not done after {RUN_SECONDS} s")
        return 0, 1
    lines = done.stdout.splitlines()
    result = re.fullmatch(r"(\d+) passed, (\d+) failed", lines[-1] if lines else "")
    print("\n".join(lines[:-1] if result else lines))
    if result is None:
        print(f"{name}: ended with status {done.returncode}")
        return 0, 1
    return int(result[1]), int(result[2])


def main():
    chosen = sys.argv[1:] or list(LANGUAGES)
    if not set(chosen) <= set(LANGUAGES):
        sys.exit(f"driver-test: there is {', '.join(LANGUAGES)}")
    passed = failed = 0
    with rings.Ring(3) as ring:
        for name in chosen:
            result = run(name, ring) or (0, 0)
            passed, failed = passed + result[0], failed + result[1]
            ring.check_alive()
        if failed:
            rings.keep_logs()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
