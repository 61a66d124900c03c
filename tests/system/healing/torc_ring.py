"""A ring of Torc to be repaired: filled, made to differ behind its back, repaired, measured."""
import json
import re
import shutil
import subprocess
import tempfile
import time

import fill
import ring as rings

SECONDS_MAX = 3600  # a repair; then it is a failure
REPLICAS = 3
LOG_MIN = 4096  # bytes: what is shorter is kept


class Failed(Exception):
    pass


class Torc:
    def __init__(self, **settings):
        self.ring = rings.Ring(REPLICAS, **settings)
        self.ring.start()
        self.tables = {}

    def close(self):
        self.ring.close()

    def fill(self, name, count, progress=None):
        table = fill.Table(f"{name}.rows")
        table.create(self.ring.addresses[0], REPLICAS)
        self.tables[name] = table
        return table.fill(self.ring.addresses, count, progress)

    # --- repair

    def repair(self, keyspace, *options, damaged=False):
        """The run as `torc repair --format json` tells it, with seconds as a person waits. Where
        what it reads may be damaged, the range is named as one that could not be compared: it is
        rebuilt."""
        begun = time.monotonic()
        before = self._leaves_read()
        p = subprocess.run(
            [rings.program("torc"), "--host", self.ring.addresses[0], "repair", "--format", "json",
             *options, keyspace], capture_output=True, text=True, timeout=SECONDS_MAX)
        waited = time.monotonic() - begun
        if p.returncode not in ((0, 1, 4) if damaged else (0, 4)):
            raise Failed(f"torc repair ended with {p.returncode}: {p.stdout[:600]} {p.stderr}")
        told = json.loads(p.stdout)
        told["waited"] = waited
        told["leaves_read"] = self._leaves_read() - before
        return told

    def _leaves_read(self):
        return sum(n.metric("torc_tree_leaves_read_total") for n in self.ring.nodes)

    def settled(self, keyspace):
        """Everything that is known to be missing has come, and what was written has been summed: until a
        repair has nothing to read and nothing to send."""
        def quiet():
            try:
                told = self.repair(keyspace)
            except Failed: # a node that is not believed to be up again yet
                return False
            return told["leaves_read"] == 0 and told["rows_different"] == 0
        rings.until("a repair with nothing to do", SECONDS_MAX, quiet)

    # --- differences that no clock knows of

    def plant(self, keyspace, *deed):
        """Stop the last node, change its data, start it; bytes that differ, as they are stored."""
        node = self.ring.nodes[-1]
        node.stop()
        p = subprocess.run([str(rings.BUILD / "tests" / "tools" / "plant"), str(node.dir / "data"),
                            *deed], capture_output=True, text=True, check=True)
        node.start()
        self.ring.wait_ready()
        return sum(int(n) for n in re.findall(r" bytes (\d+)$", p.stdout, re.MULTILINE))

    # --- rows that no log tells of any more

    def late(self, name, count):
        """So many rows into a table of their own while the last node is away for longer than logs last
        (range_log_window); then it is back and has got them, without a repair. Bytes of the comparisons
        by kind, and of the rows as they are stored."""
        node, others = self.ring.nodes[-1], self.ring.nodes[:-1]
        addresses = [n.address for n in others]
        table, noise = fill.Table(f"{name}.late"), fill.Table("noise.rows")
        for t in (table, noise):
            t.create(addresses[0], REPLICAS)
        node.stop()
        table.fill(addresses, count, level=fill.QUORUM)
        self._until_cut(others, lambda: noise.fill(addresses, count, level=fill.QUORUM))
        before = self._session_bytes()
        node.start()
        self.ring.wait_ready()

        def come():
            told = node.json("/entropy")["keyspaces"]
            bytes_now = self._session_bytes()
            return all(k["lacks"] == 0 for k in told) and node.metric("torc_marked_ranges") == 0 and \
                any(bytes_now[kind] > before[kind] for kind in ("received", "sent"))
        rings.until("what was cut off has come by comparisons", SECONDS_MAX, come)
        told = {kind: n - before[kind] for kind, n in self._session_bytes().items()}
        if self.repair(name)["rows_different"] != 0:
            raise Failed("not all that was cut off has come")
        return {**told, "stored": self._stored(node, count)}

    def _session_bytes(self):
        """Of the comparisons that no repair asked for, by kind."""
        told = {"search": 0, "received": 0, "sent": 0}
        for node in (n for n in self.ring.nodes if n.process is not None):
            found = re.findall(r'^torc_session_bytes_total\{by="rounds",kind="(\w+)"\} (\d+)',
                               node.http("/metrics")[1], re.MULTILINE)
            for kind, n in found:
                told[kind] += int(n)
        return told

    def _until_cut(self, nodes, write):
        """Until their logs are gone: writing something else again and again brings young entries out of
        memory, age makes them go."""
        def old():
            write()
            return all(n.metric("torc_log_bytes") > 0 for n in nodes)
        rings.until("range logs in files", SECONDS_MAX, old)
        rings.until("range logs cut by age", SECONDS_MAX, lambda: all(
            n.metric("torc_log_cut_dots_total") > 0 and n.metric("torc_log_bytes") < LOG_MIN for n in nodes))

    def _stored(self, node, count):
        """Bytes of the table that has so many rows; what is weighed is a copy of the data."""
        node.stop()
        with tempfile.TemporaryDirectory(dir=node.dir) as scratch:
            copy = shutil.copytree(node.dir / "data", f"{scratch}/data")
            plant = str(rings.BUILD / "tests" / "tools" / "plant")
            tables = subprocess.run([plant, copy], capture_output=True, text=True, check=True).stdout
            number = re.search(rf"^table (\d+) rows {count}$", tables, re.MULTILINE).group(1)
            p = subprocess.run([plant, copy, "--table", number, "--delete", str(count)],
                               capture_output=True, text=True, check=True)
        node.start()
        self.ring.wait_ready()
        return sum(int(n) for n in re.findall(r" bytes (\d+)$", p.stdout, re.MULTILINE))

    # --- crashes

    def full_run_killed(self, name, seconds):
        """A run that reads all again loses its manager after so long: what had come by then, and at the
        end. It is back a second later."""
        node = self.ring.nodes[0]
        started = subprocess.run(
            [rings.program("torc"), "--host", node.address, "repair", "--full", "--no-wait", name],
            capture_output=True, text=True, check=True).stdout.strip()

        def run():
            return node.json(f"/repair?id={started}")
        rings.until("it has run for so long", SECONDS_MAX, lambda: run()["seconds"] >= seconds)
        then = run()
        node.kill()
        time.sleep(1)
        node.start()
        self.ring.wait_ready()
        rings.until("the run is over", SECONDS_MAX, lambda: run()["state"] != "running")
        return then, run()

    def restart_after_kill(self, name):
        """Seconds from the start of the process to the first row that it reads, alone."""
        node = self.ring.nodes[-1]
        node.kill()
        begun = time.monotonic()
        node.start()

        def row():
            try:
                c = fill.Connection(node.address, seconds=5)
            except OSError:
                return None
            try:
                return c.query(f"SELECT v FROM {name}.rows WHERE k = 7 AND c = 3")
            except fill.ServerError:
                return None
            finally:
                c.close()
        got = rings.until(f"{node} reads", 60, row)
        waited = time.monotonic() - begun
        if fill.value(703) not in got:
            raise Failed("the row is not what was written")
        self.ring.wait_ready()
        return waited

