"""One counter that everybody counts: increments a second on a ring of three, and what a read of it
costs meanwhile. Printed, not asserted: scripts/bench counter [SECONDS].

Frames by hand, 64 at a time to each node, at QUORUM: a driver would be what is measured. The value is
compared with what was acked; a wrong one ends the program."""
import collections
import selectors
import statistics
import struct
import sys
import threading
import time

import frames
import ring as rings

WINDOW = 64
QUORUM = 4
TELL_SECONDS = 10
COUNT = "UPDATE hot.c SET n = n + 1 WHERE k = 1"
READ = "SELECT n FROM hot.c WHERE k = 1"


def ask(connection, statement, level=QUORUM):
    connection.sendall(frames.query(statement, level))
    _, _, _, opcode, body = frames.receive(connection)
    if opcode == frames.ERROR:
        raise RuntimeError(f"{statement}: {body[6:].decode(errors='replace')}")
    return body


def connect(node, seconds):
    connection = node.connect(seconds=seconds)
    connection.sendall(frames.startup())
    frames.receive(connection)
    return connection


def counts(node):
    with connect(node, 20) as connection:
        try:
            ask(connection, "UPDATE hot.c SET n = n + 1 WHERE k = 0", level=5)
            return True
        except RuntimeError:
            return False


class Reader(threading.Thread):
    """Reads twice a second; how long each took, in milliseconds."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.connection = connect(node, 60)
        self.times, self.errors, self.over = [], 0, False

    def run(self):
        while not self.over:
            start = time.monotonic()
            try:
                ask(self.connection, READ)
                self.times.append((time.monotonic() - start) * 1000)
            except RuntimeError:
                self.errors += 1
            time.sleep(0.5)


class Counting:
    def __init__(self, ring):
        self.done = self.sent = 0
        self.errors = collections.Counter()
        self.selector = selectors.DefaultSelector()
        self.waiting = 0
        for node in ring.nodes:
            connection = connect(node, 60)
            self.selector.register(connection, selectors.EVENT_READ, bytearray())
            for stream in range(WINDOW):
                self.send(connection, stream)

    def send(self, connection, stream):
        connection.sendall(frames.query(COUNT, QUORUM, stream))
        self.sent += 1
        self.waiting += 1

    def step(self, more):
        for key, _ in self.selector.select(1):
            got = key.data
            got += key.fileobj.recv(1 << 16)
            again = []
            for stream, opcode, body in frames.take(got):
                if opcode == frames.ERROR:
                    self.errors[frames.error_code(body[:4])] += 1
                else:
                    self.done += 1
                self.waiting -= 1
                again.append(stream)
            for stream in again if more else []:
                self.send(key.fileobj, stream)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with rings.Ring(3) as ring:
        session = connect(ring.nodes[0], 60)
        ask(session, "CREATE KEYSPACE hot WITH replication = "
                     "{'class': 'SimpleStrategy', 'replication_factor': 3}")
        ask(session, "CREATE TABLE hot.c (k int PRIMARY KEY, n counter)")
        for node in ring.nodes:  # each has heard of the table and of the others
            rings.until(f"{node} counts", 20, lambda n=node: counts(n))
        reader = Reader(ring.nodes[1])
        reader.start()
        start = told = time.monotonic()
        counting, before = Counting(ring), 0
        while time.monotonic() < start + seconds:
            counting.step(True)
            now = time.monotonic()
            if now < told + TELL_SECONDS:
                continue
            times, reader.times = reader.times, []
            print(f"{now - start:4.0f} s: {(counting.done - before) / (now - told):6.0f} increments/s, "
                  f"{sum(counting.errors.values())} errors, a read "
                  f"{statistics.median(times or [0]):.0f} ms (at most {max(times or [0]):.0f}), resident "
                  + " ".join(f"{n.rss() >> 20}" for n in ring.nodes) + " MiB", flush=True)
            told, before = now, counting.done
        end = time.monotonic()
        done = counting.done
        while counting.waiting > 0:
            counting.step(False)
        reader.over = True
        value = struct.unpack(">q", ask(session, READ)[-8:])[0]
        unsure = sum(counting.errors.values())
        print(f"all of {end - start:.0f} s: {done / (end - start):.0f} increments/s; {counting.done} acked, "
              f"errors {dict((hex(c), n) for c, n in counting.errors.items())}, the value is {value}")
        if not counting.done <= value <= counting.done + unsure:
            sys.exit("hot_counter: the value is wrong")


main()
