"""scripts/bench contended [SECONDS]: writers that do not know of each other write to the same rows at QUORUM, through
all nodes of a ring of three whose clocks are 200 ms before and behind each other. How many are acked, how many time out? With all nodes up, with one that is dead, and with one that stands still.

Frames by hand, one request at a time on each connection; timestamps of the servers. A line for each."""
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import faketime
import frames
import ring as rings

CLOCKS = (0.2, 0.0, -0.2)
WRITERS = 8  # at each node
ROWS = (1000, 1)
QUORUM, ALL = 4, 5
WRITE_TIMEOUT = 0x1100
METRICS = ("torc_writes_asked_total", "torc_stamps_raised_total")


def ask(connection, statement, level=QUORUM):
    connection.sendall(frames.query(statement, level))
    _, _, _, opcode, body = frames.receive(connection)
    return frames.error_code(body) if opcode == frames.ERROR else 0


def connect(node):
    connection = node.connect(seconds=20)
    connection.sendall(frames.startup())
    frames.receive(connection)
    return connection


def is_quick(connection):
    start = time.monotonic()
    return ask(connection, "UPDATE con.t SET v = 0 WHERE k = 0") == 0 and time.monotonic() - start < 0.1


class Writer(threading.Thread):
    def __init__(self, node, seed, rows, until):
        super().__init__(daemon=True)
        self.connection, self.random, self.rows, self.until = connect(node), random.Random(seed), rows, until
        self.acked = self.timeouts = self.others = 0
        self.times = []

    def run(self):
        while time.monotonic() < self.until:
            start = time.monotonic()
            code = ask(self.connection, f"UPDATE con.t SET v = {self.random.getrandbits(30)} WHERE k = "
                                        f"{self.random.randrange(self.rows)}")
            self.times.append(time.monotonic() - start)
            self.acked += code == 0
            self.timeouts += code == WRITE_TIMEOUT
            self.others += code not in (0, WRITE_TIMEOUT)


def measure(what, nodes, rows, seconds):
    before = [sum(n.metric(m) for n in nodes) for m in METRICS]
    writers = [Writer(n, 100 * n.index + i, rows, time.monotonic() + seconds)
               for n in nodes for i in range(WRITERS)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    asked, raised = (sum(n.metric(m) for n in nodes) - b for m, b in zip(METRICS, before))
    acked, timeouts = sum(w.acked for w in writers), sum(w.timeouts for w in writers)
    times = sorted(t for w in writers for t in w.times)
    print(f"{what}, rows: {rows:4}, acked: {acked}, timeouts: {timeouts} "
          f"({100 * timeouts / max(1, acked + timeouts):.2f} %), asked: {asked:.0f}, raised: {raised:.0f}, "
          f"other errors: {sum(w.others for w in writers)}, p99: {1000 * times[len(times) * 99 // 100]:.1f} ms", flush=True)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    ring = rings.Ring(3, write_request_timeout="2s")
    for node, offset in zip(ring.nodes, CLOCKS):
        faketime.set_clock(node, offset)
    with ring:
        first, second, third = ring.nodes
        with connect(first) as c:
            for statement in ("CREATE KEYSPACE con WITH replication = {'class': 'SimpleStrategy', "
                              "'replication_factor': 3}", "CREATE TABLE con.t (k int PRIMARY KEY, v int)"):
                assert ask(c, statement) == 0
            rings.until("all can write", 20,
                        lambda: ask(c, "UPDATE con.t SET v = 0 WHERE k = 0", ALL) == 0)
        for rows in ROWS:
            measure("all up     ", ring.nodes, rows, seconds)
        third.process.send_signal(signal.SIGSTOP)
        for rows in ROWS:
            measure("one paused ", [first, second], rows, seconds)
        third.process.send_signal(signal.SIGCONT)
        third.kill()
        with connect(first) as c:
            rings.until("its death is known", 20, lambda: is_quick(c))
        for rows in ROWS:
            measure("one dead   ", [first, second], rows, seconds)


main()
