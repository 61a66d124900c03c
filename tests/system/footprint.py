"""How soon nodes are ready, and how much memory they take. Printed, not asserted: scripts/bench."""
import os
import statistics
import sys
import time

import frames
import ring as rings

MIB = 1 << 20
IDLE_SECONDS = 3


def answers(node):
    """A client is served: a handshake and a row."""
    try:
        with node.connect() as c:
            c.sendall(frames.startup() + frames.query(
                "SELECT release_version FROM system.local WHERE key = 'local'", stream=2))
            return [frames.receive(c)[3] for _ in range(2)] == [frames.READY, frames.RESULT]
    except (OSError, EOFError):
        return False


def measure(count):
    """Milliseconds until every node is ready, until every one has answered a client, until every one
    sees all the others up; RSS of each."""
    ring = rings.Ring(count)
    try:
        start = time.monotonic()
        for node in ring.nodes:
            node.start()
        for node in ring.nodes:
            node.wait_ready()
        ready = time.monotonic()
        for node in ring.nodes:
            rings.until("it answers", 10, lambda n=node: answers(n))
        served = time.monotonic()
        ring.wait_ready()
        whole = time.monotonic()
        time.sleep(IDLE_SECONDS)  # idle is what is measured
        times = [(t - start) * 1000 for t in (ready, served, whole)]
        return *times, [n.rss() / MIB for n in ring.nodes]
    finally:
        ring.close()


def main():
    runs = int(sys.argv[1])
    print(f"{os.cpu_count()} processors; the median of {runs} runs; resident memory when idle")
    print("nodes   ready ms   client answered ms   all see all ms   MiB a node (mean, most)")
    for count in (1, 3, 9):
        results = [measure(count) for _ in range(runs)]
        ready, served, whole = (statistics.median(r[i] for r in results) for i in range(3))
        memory = [m for r in results for m in r[3]]
        print(f"{count:5}   {ready:8.0f}   {served:18.0f}   {whole:14.0f}   "
              f"{statistics.mean(memory):.1f}, {max(memory):.1f}", flush=True)


main()
