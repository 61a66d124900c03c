"""CQL frames by hand, version 4: for what no driver would send."""
import socket
import struct

REQUEST, RESPONSE = 0x04, 0x84
ERROR, STARTUP, READY, OPTIONS, SUPPORTED, QUERY, RESULT = 0x00, 0x01, 0x02, 0x05, 0x06, 0x07, 0x08
PREPARE, EXECUTE, REGISTER, BATCH = 0x09, 0x0A, 0x0B, 0x0D
HEADER = struct.Struct(">BBhBi")


def frame(opcode, body=b"", stream=1, version=REQUEST, flags=0, length=None):
    return HEADER.pack(version, flags, stream, opcode, len(body) if length is None else length) + body


def text(s):
    return struct.pack(">H", len(s.encode())) + s.encode()


def long_text(s):
    return struct.pack(">i", len(s.encode())) + s.encode()


def startup():
    return frame(STARTUP, struct.pack(">H", 1) + text("CQL_VERSION") + text("3.0.0"))


PAYLOAD_FLAG = 0x04


def query(statement, level=1, stream=1, payload=None):
    """payload: the custom payload, bytes by name."""
    body = long_text(statement) + struct.pack(">HB", level, 0)
    if payload is None:
        return frame(QUERY, body, stream)
    extra = b"".join(text(k) + struct.pack(">i", len(v)) + v for k, v in payload.items())
    return frame(QUERY, struct.pack(">H", len(payload)) + extra + body, stream, flags=PAYLOAD_FLAG)


def receive_exactly(connection, n):
    got = b""
    while len(got) < n:
        more = connection.recv(n - len(got))
        if not more:
            raise EOFError(f"closed after {len(got)} of {n} bytes")
        got += more
    return got


def receive(connection):
    """(version, flags, stream, opcode, body) of the next frame; EOFError at the end."""
    version, flags, stream, opcode, length = HEADER.unpack(receive_exactly(connection, 9))
    return version, flags, stream, opcode, receive_exactly(connection, length)


def take(got):
    """(stream, opcode, body) of each frame that is whole in these bytes, a bytearray; takes them out."""
    at = 0
    while len(got) - at >= HEADER.size:
        _, _, stream, opcode, length = HEADER.unpack_from(got, at)
        end = at + HEADER.size + length
        if len(got) < end:
            break
        yield stream, opcode, got[at + HEADER.size:end]
        at = end
    del got[:at]


def drain(connection):
    """Everything until the other side closes; None when it does not within the socket's limit."""
    got = b""
    try:
        while True:
            more = connection.recv(1 << 16)
            if not more:
                return got
            got += more
    except ConnectionError:
        return got
    except socket.timeout:
        return None


def error_code(body):
    return struct.unpack(">i", body[:4])[0]
