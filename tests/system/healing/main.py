"""scripts/bench repair: what it costs to know that replicas are equal, and to make them so.

    repair [--rows N,N...] [--differences K,K...] [--cassandra ADDRESS=NODETOOL ...] [--json FILE]
           [--plot FILE [--beside FILE]] [--killed ROWS]

Rings of three with three copies of each row, on this machine. Printed; nothing is asserted.

--cassandra: three times, a node that runs already and the command of nodetool for it:
  --cassandra "127.0.0.1=nodetool -p 7199" --cassandra "127.0.0.2=nodetool -p 7209" ...
"""
import argparse
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import fill
import plot
from cassandra_ring import Cassandra
from torc_ring import Failed, Torc

PAIRS = 3
LOST_ROWS = 1000


def say(text):
    print(text, flush=True)


def human(count):
    return f"{count:,}"


def progress(what, count):
    """A line on a terminal that says how far filling is."""
    if not sys.stderr.isatty():
        return None

    def tell(done, seconds):
        print(f"\r{what}: {100 * done // count} % of {human(count)} rows, {done / max(seconds, 1e-3):,.0f} "
              f"rows/s ", end="", file=sys.stderr, flush=True)
    return tell


def of_repair(told):
    """The cells of a row of the tables that both databases have."""
    return f"{told['waited']:.2f} | {human(told['bytes_search'])}"


def beyond(told):
    """What of the search was not to ask by hashes which ranges are equal."""
    return human(told["bytes_search"] - told["bytes_hashes"])


def equal_and_one(torc, rows, figures):
    """Cost against the size of the data: nothing differs, one row does."""
    name = f"t{rows}"
    filled = torc.fill(name, rows, progress(name, rows))
    first = torc.repair(name)
    torc.settled(name)
    equal = torc.repair(name)
    killed = torc.restart_after_kill(name)
    after_kill = torc.repair(name)
    for what, deed in (("a row gone", "--delete"), ("a row changed", "--change"),
                       ("a bit flipped", "--garble")):
        torc.settled(name)
        stored = torc.plant(name, deed, "1")
        full = torc.repair(name, "--full", damaged=deed == "--garble")
        figures["one"].append({"rows": rows, "what": what, "bytes_stored": stored, **brief(full)})
        say(f"| {human(rows)} | {what} | {full['rows_different']} | {of_repair(full)} | {beyond(full)} | "
            f"{full['bytes_sent'] + full['bytes_received']} | {stored} |")
    figures["equal"].append({
        "rows": rows, "filled": filled, "first": brief(first), "equal": brief(equal),
        "killed": killed, "after_kill": brief(after_kill)})


def brief(told):
    return {k: v for k, v in told.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def tell_equal(figures):
    say("")
    say("| rows | filled, s | first repair, s | leaves read | equal: s | search bytes, a pair | leaves "
        "read | serving after kill -9, s | repair after it, s | leaves read |")
    say("|---|---|---|---|---|---|---|---|---|---|")
    for f in figures["equal"]:
        e = f["equal"]
        say(f"| {human(f['rows'])} | {f['filled']:.0f} | {f['first']['waited']:.1f} | "
            f"{f['first']['leaves_read']:.0f} | {e['waited']:.3f} | {human(e['bytes_search'] // PAIRS)} | "
            f"{e['leaves_read']:.0f} | {f['killed']:.2f} | {f['after_kill']['waited']:.2f} | "
            f"{f['after_kill']['leaves_read']:.0f} |")


def differences(torc, rows, counts, figures):
    """Cost against the number of differences: rows gone behind the clocks' back."""
    name = f"t{rows}"
    say("")
    say(f"Of {human(rows)} rows so many are gone from one replica (no clock knows):")
    say("")
    say("| gone | found | s | search bytes | beyond the hashes | bytes of rows sent | as stored | ratio |")
    say("|---|---|---|---|---|---|---|---|")
    for count in counts:
        torc.settled(name)
        stored = torc.plant(name, "--delete", str(count))
        told = torc.repair(name, "--full")
        sent = told["bytes_sent"] + told["bytes_received"]
        figures["differences"].append({"rows": rows, "gone": count, "bytes_stored": stored,
                                       **brief(told)})
        say(f"| {human(count)} | {human(told['rows_different'])} | {told['waited']:.2f} | "
            f"{human(told['bytes_search'])} | {beyond(told)} | {human(sent)} | {human(stored)} | "
            f"{sent / max(stored, 1):.3f} |")


def truncated(rows, figures):
    """Rows that a node missed while it was away for longer than logs last: no repair is asked for."""
    torc = Torc(range_log_window="1m", range_log_min="4KiB")
    try:
        name = f"t{rows}"
        torc.fill(name, rows, progress(name, rows))
        torc.settled(name)
        told = torc.late(name, LOST_ROWS)
    finally:
        torc.close()
    figures["truncated"] = {"rows": rows, "missing": LOST_ROWS, **told}
    sent = told["received"] + told["sent"]
    say("")
    say(f"{human(LOST_ROWS)} rows missed beside {human(rows)}, whose log entries are gone: "
        f"{human(told['search'])} bytes of search, {human(sent)} of rows; stored they are {human(told['stored'])}: "
        f"ratio {sent / told['stored']:.3f}")


def killed(rows, figures):
    """A run that reads all again, and loses its manager in the middle."""
    torc = Torc()
    try:
        name = f"t{rows}"
        torc.fill(name, rows, progress(name, rows))
        torc.settled(name)
        whole = torc.repair(name, "--full")
        say("")
        say(f"{human(rows)} rows are read again in {whole['waited']:.1f} s, {human(whole['bytes_search'])} bytes of "
            "search. Its manager is killed:")
        say("")
        say("| after, s | progress | ranges done | kept | rows that leaders read in all |")
        say("|---|---|---|---|---|")
        for part in (0.25, 0.5, 0.75):
            then, end = torc.full_run_killed(name, part * whole["waited"])
            figures["killed"].append({"rows": rows, "then": brief(then), "end": brief(end)})
            say(f"| {then['seconds']:.1f} | {then['progress']:.2f} | {then['done']} | {then['kept']} | "
                f"{human(end['rows_read'])} |")
    finally:
        torc.close()


def of_cassandra(peer, sizes, figures):
    say("")
    say("Apache Cassandra, nodetool repair -full:")
    say("")
    say("| rows | filled, s | equal: s | search bytes, a pair | "
        f"{human(LOST_ROWS)} rows missing: s | search bytes |")
    say("|---|---|---|---|---|---|")
    for rows in sizes:
        name = f"t{rows}"
        filled = peer.fill(name, rows, progress(name, rows))
        peer.repair(name)
        equal = peer.repair(name)

        def write(addresses):
            peer.tables[name].fill(addresses, rows + LOST_ROWS, first=rows, level=fill.QUORUM)
        peer.without_last(write)
        lost = peer.repair(name)
        figures["cassandra"].append({"rows": rows, "filled": filled, "equal": equal, "lost": lost})
        say(f"| {human(rows)} | {filled:.0f} | {equal['waited']:.2f} | "
            f"{human(equal['bytes_search'] // PAIRS)} | {lost['waited']:.2f} | "
            f"{human(lost['bytes_search'])} |")


def numbers(text):
    return [int(n.replace("_", "")) for n in text.split(",")]


def main():
    p = argparse.ArgumentParser(prog="scripts/bench repair", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=numbers, default=[100_000, 1_000_000, 10_000_000])
    p.add_argument("--differences", type=numbers, default=[1, 10, 100, 1000, 10_000, 100_000])
    p.add_argument("--of", type=int, default=1_000_000, help="rows that these differ in")
    p.add_argument("--killed", type=int, metavar="ROWS", help="only: what a run that reads all again loses when "
                   "its manager is killed")
    p.add_argument("--cassandra", action="append", default=[], metavar="ADDRESS=NODETOOL")
    p.add_argument("--json", help="write the figures there, too")
    p.add_argument("--plot", help="draw them there, as SVG")
    p.add_argument("--beside", metavar="FILE", help="draw those of Cassandra, too: what --json wrote")
    a = p.parse_args()
    figures = {"when": time.strftime("%Y-%m-%d"), "processors": os.cpu_count(), "equal": [], "one": [],
               "differences": [], "cassandra": [], "killed": []}
    try:
        if a.killed:
            killed(a.killed, figures)
        elif a.cassandra:
            addresses, nodetools = zip(*(c.split("=", 1) for c in a.cassandra))
            of_cassandra(Cassandra(list(addresses), list(nodetools)), a.rows, figures)
        else:
            say("| rows | behind the clocks' back | found | s | search bytes | beyond the hashes | "
                "bytes of rows sent | as stored |")
            say("|---|---|---|---|---|---|---|---|")
            for rows in a.rows:
                torc = Torc()
                try:
                    equal_and_one(torc, rows, figures)
                    if rows == a.of:
                        differences(torc, rows, a.differences, figures)
                finally:
                    torc.close()
            tell_equal(figures)
            truncated(min(a.of, max(a.rows)), figures)
    except Failed as e:
        sys.exit(f"repair: {e}")
    if a.json:
        with open(a.json, "w") as f:
            json.dump(figures, f, indent=1)
    if a.plot:
        if a.beside:
            with open(a.beside) as f:
                figures["cassandra"] = json.load(f)["cassandra"]
        plot.draw(figures, a.plot)


main()
