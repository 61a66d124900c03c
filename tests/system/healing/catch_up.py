"""scripts/bench catch-up: what clients feel while a node gets what it has missed.

    catch-up [--rows N] [--batch N] [--rate N] [--window SECONDS] [--cycles N] [--format table|json]

A ring of three with three copies. Single rows are written and read at QUORUM through two of the nodes, at a fixed
rate, each counted from when it was due. A cycle: so many seconds with all three nodes; node 3 is killed, N rows are
written in batches at full speed (that is the outage: what matters of it is how much was missed); so many seconds with two nodes; node 3 is
started, and catches up: from half a second after it is ready, since what a start costs is another matter; and all three nodes again, for by then there is more data than before. The ratio is of
catching up to the windows before and after it together. Machines are noisy, so there are several cycles, and how busy
the machine was with other things is told. Printed; nothing is asserted.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import fill
import paced
import ring as rings

CATCH_UP_MAX = 3600
STARTING = 0.5  # seconds that others take to hear of a node that is ready; what a start costs is no handoff
NEARLY = 50  # writes that node 3 may lack and have caught up: what is on its way
KEYS = 100_000
TICKS = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, file=sys.stderr, flush=True)


def ticks_of(pid):
    """Seconds of processor that it has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def ticks_of_machine():
    fields = [int(n) for n in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS  # all but idle and waiting


class Processors:
    """What each has used between two moments, in processors."""

    def __init__(self, named):
        self.named = named
        self.at = time.monotonic()
        self.used = {name: ticks_of(pid) for name, pid in named.items()}
        self.machine = ticks_of_machine()

    def since(self):
        seconds = time.monotonic() - self.at
        used = {name: (ticks_of(pid) - self.used[name]) / seconds for name, pid in self.named.items()}
        used["others"] = max(0.0, (ticks_of_machine() - self.machine) / seconds - sum(used.values()))
        return {name: round(share, 2) for name, share in used.items()}


class Bench:
    def __init__(self, ring, options):
        self.ring, self.o = ring, options
        self.last = ring.nodes[-1]
        self.addresses = ring.addresses[:2]
        self.small = fill.Table("load.rows")
        self.bulk = fill.Table("bulk.rows", options.batch)
        for table in (self.small, self.bulk):
            table.create(ring.addresses[0], 3)
        self.small.fill(ring.addresses, KEYS)
        self.filled = 0
        self.load = None
        self.spans = {"three nodes": [], "two nodes": [], "starting": [], "catching up": []}
        self.cycles = []

    def processors(self):
        named = {f"node {n.index}": n.process.pid for n in self.ring.nodes if n.process is not None}
        return Processors({**named, "client": self.load.pid})

    def window(self, what, seconds):
        """The span, and what the processors did in it."""
        used = self.processors()
        begin = time.monotonic()
        time.sleep(seconds)
        self.spans[what].append((begin, time.monotonic()))
        return used.since()

    def handoff(self):
        """Of node 3 since its start: writes that it has got, those that it still misses, bytes."""
        told = {}
        for line in self.last.http("/metrics")[1].splitlines():
            if line.startswith("torc_handoff_"):
                name, value = line.rsplit(" ", 1)
                told[name] = float(value)
        return (told["torc_handoff_dots_pulled_total"], told["torc_handoff_missing_writes"],
                told['torc_handoff_bytes_total{dir="in"}'])

    def catch_up(self):
        begin = time.monotonic()
        self.last.start()
        self.last.wait_ready()
        ready = time.monotonic() - begin
        time.sleep(STARTING)
        started = time.monotonic()
        used = self.processors()
        most = 0

        def is_equal():
            nonlocal most
            time.sleep(0.5)
            got, missing, _ = self.handoff()
            most = max(most, missing)
            return got >= self.o.rows // self.o.batch and missing <= NEARLY
        rings.until("node 3 has caught up", CATCH_UP_MAX, is_equal)
        end = time.monotonic()
        self.spans["starting"].append((begin, started))
        self.spans["catching up"].append((started, end))
        return {"ready_s": round(ready, 2), "seconds": round(end - begin, 1), "lacked": int(most),
                "pulled_mb": round(self.handoff()[2] / 1e6, 1), "cpu": used.since()}

    def cycle(self):
        o = self.o
        self.last.kill()
        begin = time.monotonic()
        self.bulk.fill(self.addresses, self.filled + o.rows, first=self.filled, level=fill.QUORUM)
        self.filled += o.rows
        wrote = time.monotonic() - begin
        time.sleep(o.rest)
        two = self.window("two nodes", o.window)
        told = self.catch_up()
        told["rows_s"] = round(o.rows / told["seconds"])
        time.sleep(o.rest)
        three = self.window("three nodes", o.window)
        self.cycles.append({"wrote_s": round(wrote, 1), "cpu_two": two, **told, "cpu_three": three})
        say(f"cycle {len(self.cycles)}: {self.cycles[-1]}")

    def run(self):
        self.load = paced.Load("load.rows", self.addresses, self.o.rate, KEYS)
        time.sleep(self.o.rest)
        self.window("three nodes", self.o.window)
        for _ in range(self.o.cycles):
            self.cycle()
        told = self.load.stop()
        figures = {what: paced.percentiles(told, spans) for what, spans in self.spans.items()}
        for i, cycle in enumerate(self.cycles):
            for what, spans in self.spans.items():
                cycle[what] = paced.percentiles(told, spans[i:i + (2 if what == "three nodes" else 1)])
            cycle["before"] = paced.percentiles(told, self.spans["three nodes"][i:i + 1])
            cycle["ratio"] = round(cycle["catching up"]["p99_ms"] / cycle["three nodes"]["p99_ms"], 3)
        return {"when": time.strftime("%Y-%m-%d"), "processors": os.cpu_count(), "rate": self.o.rate,
                "rows": self.o.rows, "batch": self.o.batch, "all": figures, "cycles": self.cycles,
                "ratio": round(statistics.median(c["ratio"] for c in self.cycles), 3)}


def cpu(told):
    return ", ".join(f"{name} {share:.2f}" for name, share in told.items())


def tell(figures):
    print(f"{figures['rate']} requests a second on {figures['processors']} processors; in each outage "
          f"{figures['rows']:,} rows, {figures['batch']} a write")
    print("\n| cycle | | requests | p50, ms | p99, ms | p99.9, ms | failed | processors |")
    print("|---|---|---|---|---|---|---|---|")
    for i, c in enumerate(figures["cycles"]):
        for what, used in (("three nodes", "cpu_three"), ("two nodes", "cpu_two"), ("starting", None), ("catching up", "cpu")):
            t = c[what]
            print(f"| {i + 1} | {what} | {t['requests']} | {t['p50_ms']:.2f} | {t['p99_ms']:.2f} | "
                  f"{t['p999_ms']:.2f} | {t['failed']} | {cpu(c[used]) if used else ''} |")
    print("\n| cycle | p99 catching up / three nodes, before and after (before) | caught up in, s | writes missed | MB | rows/s | "
          "ready after, s |\n|---|---|---|---|---|---|---|")
    for i, c in enumerate(figures["cycles"]):
        before = c["catching up"]["p99_ms"] / c["before"]["p99_ms"]
        print(f"| {i + 1} | {c['ratio']:.2f} ({before:.2f}) | {c['seconds']} | {c['lacked']} | {c['pulled_mb']} | "
              f"{c['rows_s']} | {c['ready_s']} |")
    print(f"\nmedian of the ratios: {figures['ratio']:.2f}")


def main():
    p = argparse.ArgumentParser(prog="scripts/bench catch-up", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=300_000, help="written in an outage")
    p.add_argument("--batch", type=int, default=10, help="of them in one write")
    p.add_argument("--rate", type=int, default=400, help="requests a second of the clients")
    p.add_argument("--window", type=int, default=20, help="seconds that each state is measured for")
    p.add_argument("--rest", type=int, default=5, help="seconds between them that count for nothing")
    p.add_argument("--cycles", type=int, default=3)
    p.add_argument("--format", choices=("table", "json"), default="table")
    p.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the nodes")
    o = p.parse_args()
    with rings.Ring(3, **dict(s.split("=", 1) for s in o.setting)) as ring:
        figures = Bench(ring, o).run()
    if o.format == "json":
        print(json.dumps(figures, indent=1))
    else:
        tell(figures)


if __name__ == "__main__":
    main()
