"""Large things, and what they cost: memory of a node and latencies. Printed: scripts/bench limits.

One node of its own on loopback for each. A row of 100,000 cells, a partition of 1,000,000 rows, 10,000
prepared statements, 1,000 tables, 1,000 connections. Wrong answers end the program; figures do not.
"""
import statistics
import sys
import time

import venv

venv.enter()

from cassandra import ConsistencyLevel
from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.concurrent import execute_concurrent_with_args

import frames
import ring as rings

MIB = 1 << 20


class Watch:
    """The node's resident memory at the start and the most of it seen since."""

    def __init__(self, node):
        self.node = node
        self.first = self.most = node.rss()

    def look(self):
        self.most = max(self.most, self.node.rss())

    def tell(self, what, **figures):
        self.look()
        text = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in figures.items())
        print(f"{what}: {text}; resident {self.first / MIB:.0f} MiB before, {self.most / MIB:.0f} MiB "
              f"at most, {self.node.rss() / MIB:.0f} MiB after", flush=True)


def timed(f):
    start = time.monotonic()
    value = f()
    return value, (time.monotonic() - start) * 1000


def spread(times):
    times = sorted(times)
    return f"{statistics.median(times):.2f} ms (99 %: {times[len(times) * 99 // 100]:.2f} ms)"


def check(condition, what):
    if not condition:
        sys.exit(f"limits: {what}")


def connect(node):
    cluster = Cluster([node.address], protocol_version=5, execution_profiles={
        EXEC_PROFILE_DEFAULT: ExecutionProfile(request_timeout=60,
                                               consistency_level=ConsistencyLevel.ONE)})
    session = cluster.connect()
    session.execute("CREATE KEYSPACE big WITH replication = "
                    "{'class': 'SimpleStrategy', 'replication_factor': 1}")
    session.set_keyspace("big")
    return cluster, session


def row_of_cells(node, session, watch, count=100_000):
    session.execute("CREATE TABLE cells (k int PRIMARY KEY, m map<int, text>)")
    add = session.prepare("UPDATE cells SET m = m + ? WHERE k = 1")
    writes = []
    for start in range(0, count, 1000):
        part = {i: f"value {i}" for i in range(start, start + 1000)}
        writes.append(timed(lambda: session.execute(add, [part]))[1])
        watch.look()
    one = session.prepare("UPDATE cells SET m[?] = 'again' WHERE k = 1")
    single = [timed(lambda: session.execute(one, [i]))[1] for i in range(0, count, count // 200)]
    rows, whole = timed(lambda: session.execute("SELECT m FROM cells WHERE k = 1").one())
    check(len(rows.m) == count, f"{len(rows.m)} cells of {count}")
    element = [timed(lambda: session.execute("SELECT m[777] FROM cells WHERE k = 1").one())[1]
               for _ in range(20)]
    watch.tell(f"a row of {count:,} cells", a_write_of_1000_cells=spread(writes),
               a_write_of_one_cell=spread(single), reading_all=f"{whole:.0f} ms",
               reading_one=spread(element))


def partition_of_rows(node, session, watch, count=1_000_000):
    session.execute("CREATE TABLE wide (k int, c int, v text, PRIMARY KEY (k, c))")
    insert = session.prepare("INSERT INTO wide (k, c, v) VALUES (1, ?, 'value')")

    def fill():
        for start in range(0, count, 50_000):
            execute_concurrent_with_args(session, insert, ((c,) for c in range(start, start + 50_000)),
                                         concurrency=200)
            watch.look()

    _, filled = timed(fill)
    some = session.prepare("SELECT c FROM wide WHERE k = 1 AND c >= ? LIMIT 100")
    slices = []
    for c in range(0, count - 100, count // 200):
        rows, t = timed(lambda: list(session.execute(some, [c])))
        check([r.c for r in rows] == list(range(c, c + 100)), "a slice is wrong")
        slices.append(t)
    rows, all_rows = timed(lambda: sum(1 for _ in session.execute("SELECT c FROM wide WHERE k = 1")))
    check(rows == count, f"{rows} rows of {count}")
    watch.look()
    counted, counting = timed(lambda: session.execute("SELECT count(*) FROM wide WHERE k = 1").one()[0])
    check(counted == count, f"count(*) is {counted}")
    last, newest = timed(lambda: session.execute(
        "SELECT c FROM wide WHERE k = 1 ORDER BY c DESC LIMIT 1").one().c)
    check(last == count - 1, f"the last is {last}")
    watch.tell(f"a partition of {count:,} rows", written_in=f"{filled / 1000:.0f} s",
               a_slice_of_100=spread(slices), reading_all_in_pages=f"{all_rows / 1000:.1f} s",
               counting=f"{counting / 1000:.2f} s", the_last=f"{newest:.1f} ms")


def prepared_statements(node, session, watch, count=10_000):
    session.execute("CREATE TABLE p (k int PRIMARY KEY, v int)")
    statements, times = [], []
    for i in range(count):
        s, t = timed(lambda: session.prepare(f"SELECT v, (int) {i} FROM p WHERE k = ?"))
        statements.append(s)
        times.append(t)
        if i % 1000 == 0:
            watch.look()
    runs = [timed(lambda: session.execute(s, [1]))[1] for s in statements[:: count // 500]]
    watch.tell(f"{count:,} prepared statements", preparing=spread(times), executing=spread(runs))


def tables(node, session, watch, count=1_000):
    times = [timed(lambda: session.execute(
        f"CREATE TABLE t{i} (k int, c int, a text, b map<int, text>, PRIMARY KEY (k, c))"))[1]
        for i in range(count)]
    watch.look()
    writes = [timed(lambda: session.execute(f"INSERT INTO t{i} (k, c, a) VALUES (1, 1, 'x')"))[1]
              for i in range(count)]
    check(session.execute(f"SELECT a FROM t{count - 1} WHERE k = 1").one().a == "x", "a row is not there")
    watch.tell(f"{count:,} tables", creating_one=spread(times), a_write=spread(writes))


def connections(node, session, watch, count=1_000):
    opened = []
    for i in range(count):
        c = node.connect()
        c.sendall(frames.startup())
        check(frames.receive(c)[3] == frames.READY, "a connection is not served")
        opened.append(c)
    watch.look()

    def ask(c):
        c.sendall(frames.query("SELECT release_version FROM system.local WHERE key = 'local'", stream=2))
        check(frames.receive(c)[3] == frames.RESULT, "no rows")

    times = [timed(lambda: ask(c))[1] for c in opened]
    watch.tell(f"{count:,} connections", a_request_on_each=spread(times),
               memory_for_one=f"{(node.rss() - watch.first) / count / 1024:.0f} KiB")
    for c in opened:
        c.close()


def main():
    chosen = sys.argv[1:]
    for f in (row_of_cells, partition_of_rows, prepared_statements, tables, connections):
        if chosen and f.__name__ not in chosen:
            continue
        with rings.Ring(1) as ring:
            cluster, session = connect(ring.nodes[0])
            f(ring.nodes[0], session, Watch(ring.nodes[0]))
            cluster.shutdown()


main()
