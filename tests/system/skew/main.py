"""scripts/bench lost-updates [HOST...]: lost_updates.py and its twin in Java, on a ring of three whose clocks are 200 ms
before and behind each other, or on the nodes that are named, of Cassandra for example."""
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import faketime
import ring as rings

CLOCKS = (0.2, 0.0, -0.2)
ROUNDS = 100


def java():
    """The command that runs the twin; None: no Java, or no Maven, here."""
    if shutil.which("javac") is None or shutil.which("mvn") is None:
        print("no javac and mvn here: the Java driver is left out")
        return None
    folder = rings.ROOT / "build" / "drivers" / "java"
    shutil.copytree(HERE.parent / "drivers" / "java", folder, dirs_exist_ok=True)
    for command in ("mvn -B -q dependency:copy-dependencies -DincludeScope=runtime "
                    "-DoutputDirectory=lib", "javac -nowarn -cp 'lib/*' -d classes LostUpdates.java"):
        subprocess.run(command, shell=True, cwd=folder, check=True)
    return ["java", "-Xmx256m", "-cp", f"{folder}/classes:{folder}/lib/*", "LostUpdates",
            str(ROUNDS)]


def measure(hosts):
    subprocess.run([sys.executable, str(HERE / "lost_updates.py"), *hosts, "--rounds", str(ROUNDS)],
                   check=True)
    command = java()
    if command is not None:
        subprocess.run(command + hosts, check=True, stderr=subprocess.DEVNULL)


def main():
    if len(sys.argv) > 1:
        measure(sys.argv[1:])
        return
    ring = rings.Ring(3)
    for node, seconds in zip(ring.nodes, CLOCKS):
        faketime.set_clock(node, seconds)
    with ring:
        measure(ring.addresses)


main()
