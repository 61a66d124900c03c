"""A ring of real torcd processes for one test program.

    with Ring(3) as ring:               # ready when the block is entered
        ring.nodes[2].kill()            # as a crash: SIGKILL
        ring.nodes[2].start()
        ring.nodes[2].wait_ready()

Each program has a /24 of loopback for itself, 127.A.B.1 and so on, with A and B out of its process
number: the ports are the usual ones and collide neither with a user's ring nor with other tests.
Data and logs are in a temporary directory that goes away with the ring, unless a test failed. The
nodes die with the program, whatever ends it. Nothing here sleeps for a fixed time: what is waited
for is asked again until it is there or the limit is over.

RING=host,host... makes Ring stand for a cluster that runs already (of Torc or Cassandra): its nodes
can be talked to but not killed. So one can see that a test expects what Cassandra answers.
"""
import atexit
import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build" / "release")).resolve()
CQL_PORT = 9042
STORAGE_PORT = 7000
HTTP_PORT = 9180
OUTSIDE = [h for h in os.environ.get("RING", "").split(",") if h]

SHARED = pathlib.Path("/dev/shm")

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_failed = False  # a test failed: keep the logs


def keep_logs():
    global _failed
    _failed = True


def program(name):
    """The path of torcd or torc in the build directory."""
    if (BUILD / name).exists():
        return str(BUILD / name)
    sys.exit(f"{name} is not in {BUILD}: cmake --preset release && cmake --build --preset release")


def until(what, seconds, condition):
    """Ask until the condition is true and return what it gave; TimeoutError names what was awaited."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.002)


def network():
    """The first three numbers of this program's addresses. 127.0 is left to people."""
    pid = os.getpid()
    return f"127.{1 + (pid >> 8) % 250}.{pid & 0xff}"


def forget_clock(pid):
    """What libfaketime (skew/faketime.py) has shared under the number of a process, which removes it
    only when it ends in peace."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (SHARED / name).unlink(missing_ok=True)


class Node:
    def __init__(self, ring, index):
        self.ring = ring
        self.index = index
        self.process = None
        self.environment = {}  # of the process, beside the test's own
        if OUTSIDE:
            self.address = OUTSIDE[index - 1]
            return
        self.address = f"{ring.network}.{index}"
        self.dir = ring.dir / f"node{index}"
        self.dir.mkdir()
        self.log_path = self.dir / "log"

    def start(self, **settings):
        """Start the process; `wait_ready` is a step of its own."""
        assert self.process is None, f"node {self.index} runs"
        wanted = {
            "cluster_name": "test", "seeds": self.ring.seeds, "listen_address": self.address,
            "rpc_address": self.address, "data_file_directories": str(self.dir / "data"),
            **self.ring.settings, **settings,
        }
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith(("TORC_", "CASSANDRA_"))} | self.environment
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program("torcd")] + [f"--{k}={v}" for k, v in wanted.items()], cwd=self.dir,
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))

    def wait_ready(self, seconds=20):
        until(f"{self} is ready", seconds, self.is_ready)

    def is_ready(self):
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"{self} ended with status {self.process.returncode}:\n{self.log()}")
        try:
            return self.http("/ready")[0] == 200
        except OSError:
            return False

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def http(self, path):
        """(status, body) of GET."""
        connection = http.client.HTTPConnection(self.address, HTTP_PORT, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except http.client.HTTPException as e:
            raise OSError(str(e)) from e
        finally:
            connection.close()

    def json(self, path):
        status, body = self.http(path)
        assert status == 200, f"{self} {path}: {status} {body}"
        return json.loads(body)

    def metric(self, name):
        """The sum of a metric over its labels; 0 when there is none of that name."""
        total = 0.0
        for line in self.http("/metrics")[1].splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                total += float(line.rsplit(" ", 1)[1])
        return total

    def kill(self):
        """As a crash."""
        self._end(signal.SIGKILL)

    def stop(self, seconds=20):
        """As an operator would; returns the exit status."""
        return self._end(signal.SIGTERM, seconds)

    def _end(self, number, seconds=20):
        process, self.process = self.process, None
        if process is None:
            return None
        process.send_signal(number)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            forget_clock(process.pid)

    def rss(self):
        """Resident memory in bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"{self} has no memory")

    def files(self):
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def log(self, lines=30):
        text = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])

    def connect(self, port=CQL_PORT, seconds=5):
        return socket.create_connection((self.address, port), timeout=seconds)

    def __str__(self):
        return f"node {self.index} ({self.address})"


class Ring:
    _rings = 0

    def __init__(self, count, **settings):
        """settings: of every node, as in torc.yaml."""
        Ring._rings += 1
        self.settings = settings
        self.dir = None
        if not OUTSIDE:
            self.dir = pathlib.Path(tempfile.mkdtemp(prefix="torc-test-"))
            # rings of one program follow each other; 30 addresses each
            self.network = network()
            first = 30 * ((Ring._rings - 1) % 8)
            self.seeds = f"{self.network}.{first + 1}"
        else:
            first = 0
            count = min(count, len(OUTSIDE))
            self.seeds = ""
        self.nodes = [Node(self, first + i) for i in range(1, count + 1)]
        atexit.register(self.close)

    @property
    def addresses(self):
        return [n.address for n in self.nodes]

    def add(self):
        """One more node, not started."""
        self.nodes.append(Node(self, self.nodes[-1].index + 1))
        return self.nodes[-1]

    def start(self):
        if OUTSIDE:
            return
        for node in self.nodes:
            node.start()
        self.wait_ready()

    def wait_ready(self, seconds=30):
        """Every running node is ready, owns its ranges and believes every other running one up."""
        running = [n for n in self.nodes if n.is_running()]
        for node in running:
            node.wait_ready(seconds)
        for node in running:
            until(f"{node} sees {len(running)} nodes up", seconds,
                  lambda n=node: sum(m["up"] and m["state"] == "NORMAL"
                                     for m in n.json("/status")["nodes"]) >= len(running))

    def check_alive(self):
        """No node has ended that was not told to."""
        for node in self.nodes:
            if not OUTSIDE and node.process is not None and node.process.poll() is not None:
                raise RuntimeError(f"{node} ended with status {node.process.returncode}:\n"
                                   f"{node.log()}")

    def close(self):
        if self.dir is None or not self.dir.exists():
            return
        for node in self.nodes:
            node.kill()
        if _failed:
            print(f"    logs are kept in {self.dir}/node*/log", flush=True)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            keep_logs()
            self.close()
            raise
        return self

    def __exit__(self, *exception):
        if exception[0] is not None:
            keep_logs()
        self.close()
