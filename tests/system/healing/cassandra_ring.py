"""Three nodes of Apache Cassandra that run already, measured as Torc is: nodetool repair -full."""
import re
import shlex
import subprocess
import time

import fill

SECONDS_MAX = 3600


class Cassandra:
    def __init__(self, addresses, nodetools):
        """nodetools: the command of nodetool for each node."""
        self.addresses = addresses
        self.nodetools = nodetools
        self.tables = {}

    def nodetool(self, node, *arguments):
        return subprocess.run([*shlex.split(self.nodetools[node]), *arguments], capture_output=True,
                              text=True, check=True, timeout=SECONDS_MAX).stdout

    def fill(self, name, count, progress=None):
        table = fill.Table(f"{name}.rows")
        table.create(self.addresses[0], len(self.addresses))
        self.tables[name] = table
        seconds = table.fill(self.addresses, count, progress)
        for node in range(len(self.nodetools)):
            self.nodetool(node, "flush", name)
        return seconds

    def _sent(self):
        """Bytes of messages between the nodes; streams of rows are not among them."""
        total = 0
        for address in self.addresses:
            connection = fill.Connection(address)
            connection.socket.sendall(fill.frames.query(
                "SELECT sum(sent_bytes) FROM system_views.internode_outbound"))
            body = connection.receive()[2]
            connection.close()
            total += int.from_bytes(body[-8:], "big", signed=True)
        return total

    def repair(self, keyspace, *options):
        """Seconds as a person waits, bytes of messages, and what was streamed."""
        before = self._sent()
        begun = time.monotonic()
        self.nodetool(0, "repair", "-full", *options, keyspace)
        return {"waited": time.monotonic() - begun, "bytes_search": self._sent() - before}

    def without_last(self, work):
        """Do it while the last node takes no writes, and nobody keeps hints for it."""
        last = len(self.addresses) - 1
        for node in range(last):
            self.nodetool(node, "disablehandoff")
        self.nodetool(last, "disablegossip")
        try:
            self._until_down(last)
            work(self.addresses[:-1])
        finally:
            self.nodetool(last, "enablegossip")
            self._until_up()

    def _state(self):
        return re.findall(r"^([UD])N ", self.nodetool(0, "status"), re.MULTILINE)

    def _until_down(self, last):
        self._until(lambda: self._state().count("U") == last)

    def _until_up(self):
        self._until(lambda: self._state().count("U") == len(self.addresses))

    def _until(self, condition):
        end = time.monotonic() + 120
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("Cassandra does not see which nodes are up")
            time.sleep(0.5)
