"""Increments that are sent again, while nodes are killed: is the sum exact?

    scripts/bench counter-exact [INCREMENTS]      1,000,000 of them

INCREMENTS requests over COUNTERS counters on a ring of three, at QUORUM, each with a name of its own (torc_request_id). One
in ten is sent a second time to another node at once, as a client does whose time was up, and whatever got no good
answer is sent again until it does. All the while one node after the other is killed with SIGKILL and started again.
At the end the sum that a read at ALL gives is compared with INCREMENTS: anything else ends the program with status 1."""
import collections
import random
import selectors
import struct
import sys
import time

import frames
import ring as rings

COUNTERS = 1000
WINDOW = 64  # requests in flight on a connection
RESEND_ONE_IN = 10
KILL_EVERY = 10  # seconds
TELL_SECONDS = 10
ONE, QUORUM, ALL = 1, 4, 5


class Lane:
    """A connection to a node."""

    def __init__(self, node):
        self.node = node
        self.connection = None
        self.got = bytearray()
        self.sent = {}  # stream -> (number, is a repeat)
        self.free = list(range(WINDOW))


class Counting:
    def __init__(self, ring, increments, seed):
        self.rng = random.Random(seed)
        self.increments = increments
        self.next = 0
        self.again = collections.deque()  # (number, not by this lane, is a repeat)
        self.acked = set()
        self.repeats = self.failed = self.lost = 0
        self.name = self.rng.randbytes(8)
        self.selector = selectors.DefaultSelector()
        self.lanes = [Lane(n) for n in ring.nodes]

    def open(self, lane):
        try:
            connection = lane.node.connect(seconds=5)
            connection.sendall(frames.startup())
            frames.receive(connection)
        except OSError:
            return
        except EOFError:
            return
        lane.connection = connection
        self.selector.register(connection, selectors.EVENT_READ, lane)

    def close(self, lane):
        """What was sent there is not answered any more: it goes to another."""
        self.selector.unregister(lane.connection)
        lane.connection.close()
        lane.connection = None
        for number, repeat in lane.sent.values():
            self.lost += 1
            self.again.append((number, lane, repeat))
        lane.sent.clear()
        lane.got.clear()
        lane.free = list(range(WINDOW))

    def send(self, lane, number, repeat):
        stream = lane.free.pop()
        lane.sent[stream] = (number, repeat)
        statement = f"UPDATE exact.c SET n = n + 1 WHERE k = {number % COUNTERS}"
        payload = {"torc_request_id": self.name + struct.pack(">Q", number)}
        lane.connection.sendall(frames.query(statement, QUORUM, stream, payload))

    def fill(self, lane):
        while lane.free:
            pick = next((i for i, a in enumerate(self.again) if a[1] is not lane), None)
            if pick is not None:
                number, _, repeat = self.again[pick]
                del self.again[pick]
                self.send(lane, number, repeat)
            elif self.next < self.increments:
                number, self.next = self.next, self.next + 1
                if self.rng.randrange(RESEND_ONE_IN) == 0:  # its time is up at once
                    self.repeats += 1
                    self.again.append((number, lane, True))
                self.send(lane, number, False)
            else:
                return

    def take(self, lane):
        try:
            more = lane.connection.recv(1 << 16)
        except OSError:
            more = b""
        if not more:
            self.close(lane)
            return
        lane.got += more
        for stream, opcode, _ in frames.take(lane.got):
            number, repeat = lane.sent.pop(stream)
            lane.free.append(stream)
            if opcode == frames.ERROR:
                self.failed += 1
                self.again.append((number, lane, repeat))
            else:
                self.acked.add(number)

    def is_done(self):
        return self.next == self.increments and not self.again and not any(
            l.sent for l in self.lanes)

    def step(self):
        for lane in self.lanes:
            if lane.connection is None and lane.node.is_running():
                self.open(lane)
            if lane.connection is not None:
                try:
                    self.fill(lane)
                except OSError:
                    self.close(lane)
        if len([l for l in self.lanes if l.connection]) == 1:
            # whoever is alone takes what it must not take twice
            self.again = collections.deque((n, None, r) for n, _, r in self.again)
        for key, _ in self.selector.select(0.05):
            self.take(key.data)


def ask(node, statement, level=ONE):
    with node.connect(seconds=60) as connection:
        connection.sendall(frames.startup())
        frames.receive(connection)
        connection.sendall(frames.query(statement, level))
        _, _, _, opcode, body = frames.receive(connection)
        if opcode == frames.ERROR:
            raise RuntimeError(f"{statement}: {body[6:].decode(errors='replace')}")
        return body


def works(node, statement, level):
    try:
        return ask(node, statement, level)
    except (RuntimeError, OSError, EOFError):
        return None


def total(node):
    """The sum of all counters, read one by one at ALL."""
    result = 0
    for k in range(COUNTERS):
        body = rings.until("a read at ALL", 60, lambda k=k: works(
            node, f"SELECT n FROM exact.c WHERE k = {k}", ALL))
        result += struct.unpack(">q", body[-8:])[0] if body[-12:-8] == b"\0\0\0\x08" else 0
    return result


def main():
    increments = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with rings.Ring(3) as ring:
        ask(ring.nodes[0], "CREATE KEYSPACE exact WITH replication = "
                           "{'class': 'SimpleStrategy', 'replication_factor': 3}")
        ask(ring.nodes[0], "CREATE TABLE exact.c (k int PRIMARY KEY, n counter)")
        for node in ring.nodes:
            rings.until(f"{node} counts", 20, lambda n=node: works(
                n, f"UPDATE exact.c SET n = n + 0 WHERE k = {COUNTERS}", ALL))
        counting = Counting(ring, increments, 1)
        start = told = time.monotonic()
        victim, kills, down, kill_at = 0, 0, None, start + KILL_EVERY / 2
        while not counting.is_done():
            counting.step()
            now = time.monotonic()
            if now > kill_at and down is None:
                down = ring.nodes[victim % 3]
                down.kill()
                victim, kills, kill_at = victim + 1, kills + 1, now + KILL_EVERY / 10
            elif now > kill_at:
                down.start()
                down, kill_at = None, now + KILL_EVERY
            if now > told + TELL_SECONDS:
                print(f"{now - start:5.0f} s  acked {len(counting.acked)}, sent again on purpose "
                      f"{counting.repeats}, unanswered {counting.lost}, refused {counting.failed}, "
                      f"kills {kills}", flush=True)
                told = now
        seconds = time.monotonic() - start
        if down is not None:
            down.start()
        ring.wait_ready(60)
        result = total(ring.nodes[0])
        print(f"{increments} increments in {seconds:.0f} s ({increments / seconds:.0f}/s): sent again on "
              f"purpose {counting.repeats}, after no answer {counting.lost}, after an error "
              f"{counting.failed}; kills {kills}; the sum is {result}: error {result - increments}")
        if result != increments:
            rings.keep_logs()
            sys.exit(1)


main()
