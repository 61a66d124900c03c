"""Statements and the answers that Apache Cassandra gave to them.

A file of cases is a list of blocks, one a statement, with an empty line between them:

    > SELECT a, b FROM t WHERE k = 1            a statement
    ? SELECT a FROM t WHERE k = ?               prepared; `with` gives the values, as Python writes them
    with 1                                    ... is a value that is not set
    page 10                                     ask for pages of so many rows
    as bob 'secret'                             ask logged in as this role
    raw                                         show types and values as they are on the wire
    a int | b text                              the columns of the answer and their types
    1 | 'x'                                     a row
    ---                                         another page begins
    % Aggregation query used without …          a warning that came with the answer
    ok                                          an answer without rows
    ! Invalid Undefined column name a ...       an error: its kind and its words
    ~ Invalid                                   an error whose words may be ours
    torc                                        what follows is our answer, on purpose another

Lines that begin with # are comments. `scripts/compat --record HOST` asks Cassandra and writes its
answers into the files. `scripts/compat --torc HOST` asks Torc, and where it differs writes `~` or a
`torc` part: look at each with git diff before you call it on purpose. The files change schema and data of
the keyspaces compat*: ask no server that you need. Files in the folder auth are for servers with
PasswordAuthenticator and CassandraAuthorizer, and the superuser cassandra of that password.
"""
import ast
import datetime
import pathlib
import re
import shlex
import sys
import time

from cassandra import ConsistencyLevel, DriverException, cqltypes
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT, NoHostAvailable
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.protocol import (ErrorMessage, ResultMessage, _ProtocolHandler, read_int, read_short,
                                read_string, read_value)
from cassandra.query import UNSET_VALUE, SimpleStatement, tuple_factory

# As they are on the wire: Python has neither all timestamps nor all dates.
cqltypes.DateType.deserialize = staticmethod(lambda b, v: cqltypes.int64_unpack(b))
cqltypes.SimpleDateType.deserialize = staticmethod(
    lambda b, v: cqltypes.uint32_unpack(b) - 2 ** 31)
cqltypes.TimeType.deserialize = staticmethod(lambda b, v: cqltypes.int64_unpack(b))

KINDS = {0x0000: "ServerError", 0x0100: "BadCredentials", 0x000A: "Protocol", 0x1000: "Unavailable", 0x1100: "WriteTimeout",
         0x1200: "ReadTimeout", 0x1003: "TruncateError", 0x1400: "FunctionFailure",
         0x2000: "Syntax", 0x2100: "Unauthorized", 0x2200: "Invalid", 0x2300: "Config",
         0x2400: "AlreadyExists", 0x2500: "Unprepared"}


# Given once a second for a connection and table, so whether it comes depends on how fast the
# statements before it went: no part of an answer here. What is asserted of it is asserted on
# virtual time (tests/unit/node_cql_exec/test_modify.c).
NOT_SEEN = re.compile(r"A write to \S+ was not applied(, or not everywhere)?: a newer value exists")


class RawType:
    """A type as the protocol's [option] says it."""

    def __init__(self, text):
        self.text = text

    def cql_parameterized_type(self):
        return self.text

    @staticmethod
    def read(f):
        kind = read_short(f)
        if kind == 0x00:
            return read_string(f)
        if kind in (0x20, 0x22):
            return f"{'list' if kind == 0x20 else 'set'}<{RawType.read(f)}>"
        if kind == 0x21:
            return f"map<{RawType.read(f)}, {RawType.read(f)}>"
        if kind == 0x30:
            name = f"{read_string(f)}.{read_string(f)}"
            fields = [f"{read_string(f)} {RawType.read(f)}" for _ in range(read_short(f))]
            return f"udt<{name}: {', '.join(fields)}>"
        if kind == 0x31:
            return f"tuple<{', '.join(RawType.read(f) for _ in range(read_short(f)))}>"
        return ResultMessage.type_codes[kind].typename


class RawResult(ResultMessage):
    @classmethod
    def read_type(cls, f, user_type_map):
        return RawType(RawType.read(f))

    def recv_results_rows(self, f, protocol_version, user_type_map, result_metadata, *policy):
        self.recv_results_metadata(f, user_type_map)
        columns = self.column_metadata or result_metadata
        self.column_names = [c[2] for c in columns]
        self.column_types = [c[3] for c in columns]
        self.parsed_rows = [tuple(read_value(f) for _ in columns) for _ in range(read_int(f))]


class RawProtocol(_ProtocolHandler):
    message_types_by_opcode = _ProtocolHandler.message_types_by_opcode | {
        ResultMessage.opcode: RawResult}


class Case:
    def __init__(self):
        self.comments, self.text, self.prepared = [], "", False
        self.values, self.page, self.answer, self.own = None, None, [], None
        self.raw = False
        self.user = None  # (name, password)
        self.line = 0


def load(path):
    cases, case = [], Case()
    for number, line in enumerate(path.read_text().splitlines() + [""], 1):
        if not line:
            if case.text or case.comments:
                cases.append(case)
            case = Case()
        elif line == "torc":
            case.own = []
        elif case.own is not None:
            case.own.append(line)
        elif line.startswith("#"):
            case.comments.append(line)
        elif line[:2] in ("> ", "? ") and not case.answer:
            case.text += ("\n" if case.text else "") + line[2:]
            case.prepared = line[0] == "?"
            case.line = case.line or number
        elif line.startswith("with ") and not case.answer:
            case.values = ast.literal_eval(f"({line[5:]},)")
        elif line.startswith("page ") and not case.answer:
            case.page = int(line[5:])
        elif line.startswith("as ") and not case.answer:
            case.user = tuple(shlex.split(line[3:]))
        elif line == "raw" and not case.answer:
            case.raw = True
        else:
            case.answer.append(line)
    return cases


def save(path, cases):
    out = []
    for c in cases:
        out += c.comments
        if c.text:
            out += [("? " if c.prepared else "> ") + part for part in c.text.split("\n")]
        if c.values is not None:
            out.append("with " + repr(c.values)[1:-1].rstrip(",").replace("Ellipsis", "..."))
        if c.page:
            out.append(f"page {c.page}")
        out += [f"as {c.user[0]} {c.user[1]!r}"] if c.user else []
        out += ["raw"] if c.raw else []
        out += c.answer + (["torc", *c.own] if c.own else []) + [""]
    path.write_text("\n".join(out[:-1]) + "\n")


def connect(host, version=5, user=None):
    profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([host]),
                               row_factory=tuple_factory, request_timeout=30,
                               consistency_level=ConsistencyLevel.ONE)
    cluster = Cluster([host], protocol_version=version, schema_metadata_enabled=False,
                      auth_provider=user and PlainTextAuthProvider(*user),
                      execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    session = cluster.connect()
    session.others = {}
    session.client_protocol_handler = _ProtocolHandler
    return session


def shown(value):
    if hasattr(value, "items"):  # also the driver's own map: keys may be lists and hold NaN
        items = getattr(value, "_items", None) or value.items()
        return "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in items) + "}"
    if isinstance(value, (set, frozenset)) or type(value).__name__ in ("SortedSet", "sortedset"):
        return "{" + ", ".join(shown(v) for v in value) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, str) else str(value)


def rows_of(result):
    names, types = result.column_names, result.column_types
    if not names:
        return ["ok"]
    lines = [" | ".join(f"{n} {t.cql_parameterized_type()}" for n, t in zip(names, types))]
    while True:
        lines += [" | ".join(shown(v) for v in row) for row in result.current_rows]
        if not result.has_more_pages:
            return lines if lines[-1] != "---" else lines[:-1]  # the last page may be empty
        result.fetch_next_page()
        lines.append("---")


def error_of(error):
    for e in [error] + list(getattr(error, "errors", {}).values() if isinstance(
            getattr(error, "errors", None), dict) else []):
        found = re.search(r"code=([0-9a-fA-F]{4}) \[.*?\] message=\"(.*)\"", str(e), re.S)
        if found:
            words = found.group(2).replace("\n", " ")
            return f"! {KINDS.get(int(found.group(1), 16), found.group(1))} {words}"
    if type(error).__name__ == "AlreadyExists":
        return f"! AlreadyExists {error.keyspace} {error.table or ''}".rstrip()
    return f"! {type(error).__name__} {error}".replace("\n", " ")


def logged_in(session, user):
    """A session beside this one, as another role."""
    host = session.cluster.contact_points[0]
    if user not in session.others:
        session.others[user] = connect(host, user=user)
    return session.others[user]


def close(session):
    for s in [*session.others.values(), session]:
        s.cluster.shutdown()


def ask(session, case):
    """The lines of a server's answer."""
    try:
        if case.user:
            session = logged_in(session, case.user)
        if case.prepared:
            # Anew each time: the driver would not notice a statement that means something else.
            statement = session.prepare(case.text)
            head = "bind " + ", ".join(f"{c.name} {c.type.cql_parameterized_type()}"
                                       for c in statement.column_metadata)
            if statement.routing_key_indexes:
                head += " key " + ", ".join(map(str, statement.routing_key_indexes))
            head = [head]
            if case.values is None:
                return head
            statement = statement.bind([UNSET_VALUE if v is ... else v for v in case.values])
        else:
            statement, head = SimpleStatement(case.text), []
        statement.fetch_size = case.page or 5000
        session.client_protocol_handler = RawProtocol if case.raw else _ProtocolHandler
        result = session.execute(statement)
        warnings = [f"% {w}".replace("\n", " ") for w in result.response_future.warnings or []
                    if not NOT_SEEN.match(w)]
        return head + rows_of(result) + warnings
    except (DriverException, ErrorMessage, NoHostAvailable) as e:  # others are our mistakes
        return [error_of(e)]


def kind(answer):
    """Of an error; None of anything else."""
    return answer[0].split(" ")[1] if answer[0][:2] in ("! ", "~ ") else None


def right(case, answer):
    """Is this what Torc is to answer?"""
    if case.own:
        return answer == case.own
    if case.answer[0].startswith("~ "):
        return kind(answer) == kind(case.answer)
    return answer == case.answer


def user_of(path):
    return ("cassandra", "cassandra") if path.parent.name == "auth" else None


def record(host, paths, torc):
    for path in paths:
        cases = load(path)
        session = connect(host, user=user_of(path))
        before = None
        for c in cases:
            if c.user != before and not torc:
                time.sleep(0.3)  # what it remembers of permissions
            before = c.user
            answer = ask(session, c) if c.text else None
            if not c.text:
                continue
            if not torc:
                loose = c.answer and c.answer[0].startswith("~ ") and kind(answer)
                c.answer = [f"~ {kind(answer)}"] if loose else answer
            elif c.answer != answer and kind(answer) and kind(answer) == kind(c.answer):
                c.answer, c.own = [f"~ {kind(answer)}"], None
            else:
                c.own = answer if answer != c.answer else None
        save(path, cases)
        close(session)


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if a != "--torc"]
    record(names[0], [pathlib.Path(p) for p in names[1:]], len(names) < len(sys.argv) - 1)
