"""One writer after the other, through different nodes whose clocks are apart: what of it is lost?

    lost_updates.py HOST... [--rounds N] [--keyspace NAME]       of Torc or of Cassandra

Each round takes a row of its own: `INSERT` through the first node, `UPDATE` through the second, `DELETE` through
the third, `INSERT` again through the first ... each at QUORUM and only after the one before was acked, and
after each a read at QUORUM. What is read must be what was acked last. Anything else is an update that was
lost; it is a silent one when the writer was not warned: by this ack, or by another within the last second, because
a connection is not warned more often.

Twice: with timestamps of the servers, and with those of the clients (what drivers send by themselves),
whose clocks are OFFSETS apart.

Prints a line of JSON for each: {"driver", "timestamps", "acked", "refused", "lost", "silent", "warned"}.
"""
import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import venv

venv.enter()

from cassandra import ConsistencyLevel, DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import FallthroughRetryPolicy, WhiteListRoundRobinPolicy
from cassandra.protocol import ErrorMessage

OFFSETS = (0.4, 0.0, -0.4)  # of the clients' clocks, in seconds
STEPS = 6  # writes of a row
QUORUM = ConsistencyLevel.QUORUM


class Writer:
    """A client of one node."""

    def __init__(self, host, offset):
        profile = ExecutionProfile(WhiteListRoundRobinPolicy([host]), request_timeout=20,
                                   retry_policy=FallthroughRetryPolicy(), consistency_level=QUORUM)
        self.cluster = Cluster(
            [host], execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            timestamp_generator=lambda: int((time.time() + offset) * 1e6))
        self.session = self.cluster.connect()
        self.warned_at = -1e9

    def run(self, statement, values=()):
        """(rows, warnings)"""
        future = self.session.execute_async(statement, values)
        rows = list(future.result())
        if future.warnings:
            self.warned_at = time.monotonic()
        return rows, future.warnings or []

    def was_warned(self):
        return time.monotonic() - self.warned_at < 1.1


class Figures:
    def __init__(self, timestamps):
        self.timestamps = timestamps
        self.acked = self.refused = self.lost = self.silent = self.warned = 0

    def line(self, driver):
        return json.dumps({"driver": driver, **vars(self)})


def write(writer, row, step):
    """What a read must give after it, and whether there was a warning."""
    if step % 3 == 2:
        _, warnings = writer.run("DELETE FROM r WHERE k = %s", (row,))
        return None, bool(warnings)
    verb = ("INSERT INTO r (v, k) VALUES (%s, %s)", "UPDATE r SET v = %s WHERE k = %s")[step % 3]
    _, warnings = writer.run(verb, (step, row))
    return step, bool(warnings)


def one_row(writers, row, figures):
    for step in range(STEPS):
        writer = writers[step % len(writers)]
        try:
            wanted, warning = write(writer, row, step)
        except (DriverException, ErrorMessage):  # it says that it did not: nothing is lost silently
            figures.refused += 1
            return
        figures.acked += 1
        figures.warned += warning
        rows, _ = writers[(step + 1) % len(writers)].run("SELECT v FROM r WHERE k = %s", (row,))
        if (rows[0].v if rows else None) != wanted:
            figures.lost += 1
            figures.silent += not writer.was_warned()


def measure(hosts, rounds, keyspace="lost_updates"):
    """[Figures of server timestamps, Figures of client timestamps]"""
    writers = [Writer(h, OFFSETS[i % len(OFFSETS)]) for i, h in enumerate(hosts)]
    results = []
    try:
        first = writers[0].session
        first.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")
        first.execute(f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', "
                      f"'replication_factor': {min(3, len(hosts))}}}")
        first.execute(f"CREATE TABLE {keyspace}.r (k int PRIMARY KEY, v int)")
        for w in writers:
            w.session.set_keyspace(keyspace)
        for number, timestamps in enumerate(("server", "client")):
            figures = Figures(timestamps)
            for w in writers:
                w.session.use_client_timestamp = timestamps == "client"
            for row in range(rounds):
                one_row(writers, number * rounds + row, figures)
            results.append(figures)
    finally:
        for w in writers:
            w.cluster.shutdown()
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hosts", nargs="+")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--keyspace", default="lost_updates")
    options = parser.parse_args()
    for figures in measure(options.hosts, options.rounds, options.keyspace):
        print(figures.line("python"), flush=True)


if __name__ == "__main__":
    main()
