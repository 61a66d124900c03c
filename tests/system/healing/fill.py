"""Rows by the million, for benchmarks: many a batch, frames by hand, so that the servers are what takes time.

    table = fill.Table("bench.rows")
    table.create(address, replicas=3)
    table.fill(addresses, 10_000_000)      # acked by all replicas

Row number i is (k = i // 100, c = i % 100, v = text(i)): a partition of 100 rows is one unlogged batch. It
works on every server that speaks version 4 of the protocol.
"""
import socket
import struct
import threading
import time

import frames

QUORUM, ALL = 4, 5
PARTITION = 100  # rows
IN_FLIGHT = 24  # batches on a connection
AGAIN_MAX = 100  # times that a batch is sent again before the filling fails
UNAVAILABLE, OVERLOADED, WRITE_TIMEOUT, INVALID = 0x1000, 0x1001, 0x1100, 0x2200
UNLOGGED = 1
PREPARED = 1


def value(number):
    """The text of a row: 64 bytes that LevelDB's compression makes nothing of."""
    mixed = (number * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & (1 << 64) - 1
    out = []
    for _ in range(4):
        mixed ^= mixed >> 29
        mixed = mixed * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
        out.append(b"%016x" % mixed)
    return b"".join(out)


class ServerError(RuntimeError):
    def __init__(self, body):
        self.code, length = struct.unpack(">iH", body[:6])
        super().__init__(f"error {self.code:#x}: {body[6:6 + length].decode()}")


class Connection:
    def __init__(self, address, port=9042, seconds=120):
        self.socket = socket.create_connection((address, port), seconds)
        self.socket.sendall(frames.startup())
        if self.receive()[1] != frames.READY:
            raise RuntimeError(f"{address} wants more than a name to let us in")

    def receive(self):
        """(stream, opcode, body); ServerError."""
        _, _, stream, opcode, body = frames.receive(self.socket)
        if opcode == frames.ERROR:
            error = ServerError(body)
            error.stream = stream
            raise error
        return stream, opcode, body

    def query(self, statement):
        self.socket.sendall(frames.query(statement))
        return self.receive()[2]

    def prepare(self, statement):
        self.socket.sendall(frames.frame(frames.PREPARE, frames.long_text(statement)))
        body = self.receive()[2]
        (length,) = struct.unpack(">H", body[4:6])
        return body[6:6 + length]

    def close(self):
        self.socket.close()


class Table:
    def __init__(self, name, partition=PARTITION):
        """partition: rows of one, that are one batch."""
        self.name = name
        self.partition = partition
        self.keyspace = name.split(".")[0]
        self.level = ALL

    def create(self, address, replicas, options=""):
        connection = Connection(address)
        connection.query(f"CREATE KEYSPACE IF NOT EXISTS {self.keyspace} WITH replication = "
                         f"{{'class': 'NetworkTopologyStrategy', 'datacenter1': {replicas}}}")
        connection.query(f"CREATE TABLE {self.name} (k int, c int, v text, PRIMARY KEY (k, c)) {options}")
        connection.close()

    def _prepare(self, connection):
        end = time.monotonic() + 30
        while True: # until this node knows of the table
            try:
                return connection.prepare(f"INSERT INTO {self.name} (k, c, v) VALUES (?, ?, ?)")
            except ServerError as e:
                if e.code != INVALID or time.monotonic() > end:
                    raise
            time.sleep(0.1)

    def _batch(self, identifier, partition, rows):
        head = struct.pack(">BH", PREPARED, len(identifier)) + identifier + struct.pack(
            ">Hiii", 3, 4, partition, 4)
        parts = [struct.pack(">BH", UNLOGGED, rows)]
        first = partition * self.partition
        for c in range(rows):
            parts += (head, struct.pack(">ii", c, 64), value(first + c))
        parts.append(struct.pack(">HB", self.level, 0))
        return b"".join(parts)

    def _fill_part(self, address, connection, identifier, partitions, last_rows, told, failed):
        """Batches of these partitions through one node, some in flight."""
        try:
            under_way = {}  # partition by stream
            free = list(range(IN_FLIGHT))
            again = AGAIN_MAX

            def send(stream, partition):
                rows = last_rows.get(partition, self.partition)
                under_way[stream] = partition
                connection.socket.sendall(frames.frame(
                    frames.BATCH, self._batch(identifier, partition, rows), stream))

            def take():
                nonlocal again
                try:
                    stream, _, _ = connection.receive()
                except ServerError as e:
                    if e.code not in (UNAVAILABLE, OVERLOADED, WRITE_TIMEOUT) or again == 0:
                        raise
                    again -= 1
                    time.sleep(0.1)
                    send(e.stream, under_way[e.stream])
                    return
                partition = under_way.pop(stream)
                told[address] = told.get(address, 0) + last_rows.get(partition, self.partition)
                free.append(stream)

            for partition in partitions:
                while not free and not failed:
                    take()
                if failed:
                    return
                send(free.pop(), partition)
            while under_way and not failed:
                take()
            connection.close()
        except (OSError, EOFError, RuntimeError) as e:
            failed.append(f"{address}: {e}")

    def fill(self, addresses, count, progress=None, first=0, level=ALL):
        """Rows up to number count, from that of the partition of first, acked at that level; seconds. RuntimeError: what a node said.

        A batch that timed out is sent again: filling at full speed makes every store stall."""
        begun = time.monotonic()
        self.level = level
        partitions = (count + self.partition - 1) // self.partition
        last_rows = {partitions - 1: count - (partitions - 1) * self.partition}
        told, failed = {}, []
        connections = [Connection(a) for a in addresses]
        identifiers = [self._prepare(c) for c in connections]
        threads = [threading.Thread(target=self._fill_part,
                                    args=(a, connections[i], identifiers[i],
                                          range(first // self.partition + i, partitions, len(addresses)), last_rows, told,
                                          failed))
                   for i, a in enumerate(addresses)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(1)
                if progress is not None:
                    progress(sum(told.values()), time.monotonic() - begun)
        if failed:
            raise RuntimeError("; ".join(failed))
        return time.monotonic() - begun
