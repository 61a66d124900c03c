"""A load at a fixed rate, whatever the answers take: the latency of each request is counted from when it was due.

Writes and reads of single rows at QUORUM, as many of each, through all nodes that are named. One process of its own,
so that what else the program does does not delay it:

    load = paced.Load("ks.t", addresses, rate=500)     # a process
    load.stop() -> [(due, seconds, ok)]                # by due time, as time.monotonic() has it
"""
import gc
import multiprocessing
import random
import selectors
import struct
import time

import fill
import frames

QUORUM = 4
STREAMS = 2048
ANSWER_MAX = 15.0  # seconds; what has no answer by then has failed


class _Link:
    def __init__(self, address, table):
        connection = fill.Connection(address)
        self.insert = connection.prepare(f"INSERT INTO {table} (k, c, v) VALUES (?, ?, ?)")
        self.select = connection.prepare(f"SELECT v FROM {table} WHERE k = ? AND c = ?")
        self.socket = connection.socket
        self.socket.setblocking(False)
        self.out = bytearray()
        self.got = bytearray()
        self.free = list(range(STREAMS))
        self.due = {}

    def ask(self, due, number):
        """False: too many are under way."""
        if not self.free:
            return False
        stream = self.free.pop()
        self.due[stream] = due
        row = number & ~1  # so rows are read that were written
        key = struct.pack(">iiii", 4, row // fill.PARTITION, 4, row % fill.PARTITION)
        if number & 1:
            identifier, values = self.insert, key + struct.pack(">i", 64) + fill.value(number)
        else:
            identifier, values = self.select, key
        body = struct.pack(">H", len(identifier)) + identifier + struct.pack(
            ">HBH", QUORUM, 1, 3 if number & 1 else 2) + values
        self.out += frames.frame(frames.EXECUTE, body, stream)
        return True

    def flush(self):
        if self.out:
            try:
                del self.out[:self.socket.send(self.out)]
            except BlockingIOError:
                pass

    def take(self, now, told):
        try:
            more = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        if not more:
            raise EOFError("a node has closed the connection")
        self.got += more
        for stream, opcode, _ in frames.take(self.got):
            due = self.due.pop(stream)
            told.append((due, now - due, opcode == frames.RESULT))
            self.free.append(stream)


def _run(table, addresses, rate, keys, stop, pipe):
    links = [_Link(a, table) for a in addresses]
    chosen = random.Random(1)
    selector = selectors.DefaultSelector()
    for link in links:
        selector.register(link.socket, selectors.EVENT_READ, link)
    gc.disable()  # nothing here has cycles, and a collection would delay requests
    told, sent, begun = [], 0, time.monotonic()
    end = None
    while end is None or (any(link.due for link in links) and time.monotonic() < end):
        now = time.monotonic()
        if end is None and stop.is_set():
            end = now + ANSWER_MAX
        while end is None and begun + sent / rate <= now:
            due = begun + sent / rate
            if not links[sent % len(links)].ask(due, chosen.randrange(keys)):
                told.append((due, ANSWER_MAX, False))
            sent += 1
        for link in links:
            link.flush()
        wait = max(0.0, begun + sent / rate - time.monotonic()) if end is None else 0.05
        for key, _ in selector.select(wait):
            key.data.take(time.monotonic(), told)
    for link in links:
        told += [(due, ANSWER_MAX, False) for due in link.due.values()]
    pipe.send(sorted(told))


class Load:
    def __init__(self, table, addresses, rate, keys=100_000):
        self._stop = multiprocessing.Event()
        self._pipe, theirs = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.Process(
            target=_run, args=(table, addresses, rate, keys, self._stop, theirs), daemon=True)
        self._process.start()
        self.pid = self._process.pid
        theirs.close()

    def stop(self):
        self._stop.set()
        told = self._pipe.recv()
        self._process.join()
        return told


def percentiles(told, spans):
    """Of the requests that were due in one of the spans (begin, end): how many, p50, p99 and p999 in ms, how many failed."""
    within = [(t, ok) for due, t, ok in told if any(begin <= due < end for begin, end in spans)]
    took = sorted(t for t, _ in within)
    if not took:
        return {"requests": 0, "p50_ms": None, "p99_ms": None, "p999_ms": None, "failed": 0}

    def at(part):
        return round(1e3 * took[min(len(took) - 1, int(len(took) * part))], 3)
    return {"requests": len(took), "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999),
            "failed": sum(not ok for _, ok in within)}
