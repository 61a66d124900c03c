"""Random programs of CQL: a schema, then statements that change it and its rows and ask for them.

What a program is follows from its seed alone. Two right servers give the same answers to it: writes
say their timestamps (ties among them, to see who wins), nothing expires while it runs, no function
looks at a clock, and rows come in the order of Murmur3 tokens. About one statement in eight is
wrong on purpose, by type, name or restriction.
"""
import random

SCALARS = ["ascii", "bigint", "blob", "boolean", "date", "decimal", "double", "float", "inet",
           "int", "smallint", "text", "time", "timestamp", "timeuuid", "tinyint", "uuid", "varint",
           "duration"]
KEYS = [t for t in SCALARS if t not in ("duration", "boolean")]
NUMBERS = ["bigint", "decimal", "double", "float", "int", "smallint", "tinyint", "varint"]
WORDS = ["''", "'a'", "'ab'", "'b'", "'Z'", "'a''b'", "'zz'", "'0'"]


class Type:
    """A type of CQL: its text and how a literal of it is drawn."""

    def __init__(self, text, items=(), frozen=False, fields=()):
        self.text, self.items, self.fields = text, items, fields
        self.frozen = frozen

    @property
    def base(self):
        return self.text.removeprefix("frozen<").split("<")[0].rstrip(">")

    def literal(self, r, depth=0):
        base = self.base
        if self.fields:
            some = [f for f in self.fields if r.random() < 0.8]
            return "{" + ", ".join(f"{n}: {t.maybe(r, depth + 1)}" for n, t in some) + "}" \
                if some else "null"
        if base in ("list", "set"):
            n = r.choice([0, 1, 1, 2, 3])
            body = ", ".join(self.items[0].literal(r, depth + 1) for _ in range(n))
            return f"[{body}]" if base == "list" else "{" + body + "}"
        if base == "map":
            pairs = {self.items[0].literal(r, depth + 1): self.items[1].literal(r, depth + 1)
                     for _ in range(r.choice([0, 1, 1, 2, 3]))}
            return "{" + ", ".join(f"{k}: {v}" for k, v in pairs.items()) + "}"
        if base == "tuple":
            return "(" + ", ".join(t.maybe(r, depth + 1) for t in self.items) + ")"
        if base == "vector":
            return "[" + ", ".join(self.items[0].literal(r, depth + 1)
                                   for _ in range(int(self.text.split(",")[-1].rstrip("> ")))) + "]"
        return scalar(r, base)

    def maybe(self, r, depth=0):
        return "null" if r.random() < 0.15 else self.literal(r, depth)


def scalar(r, base):
    small = r.randint(-3, 3)
    pick = {
        "ascii": lambda: r.choice(WORDS),
        "text": lambda: r.choice(WORDS + ["'é'", "'日本'", "'a\tb'"]),
        "bigint": lambda: str(r.choice([small, 2 ** 63 - 1, -2 ** 63, 10 ** 12])),
        "counter": lambda: str(small),
        "int": lambda: str(r.choice([small, small, small, 2 ** 31 - 1, -2 ** 31])),
        "smallint": lambda: str(r.choice([small, 32767, -32768])),
        "tinyint": lambda: str(r.choice([small, 127, -128])),
        "varint": lambda: str(r.choice([small, 2 ** 70, -2 ** 70, 255, -129])),
        "decimal": lambda: r.choice(["0", "1", "1.0", "1.00", "-2.5", "1E+3", "1e-7", "12345678901234567890.5"]),
        "double": lambda: r.choice(["0.0", "-0.0", "1.5", "-2.25", "1e300", "NaN", "Infinity", "3"]),
        "float": lambda: r.choice(["0.0", "1.5", "-2.25", "3e10", "NaN", "-Infinity", "2"]),
        "boolean": lambda: r.choice(["true", "false"]),
        "blob": lambda: r.choice(["0x", "0x00", "0xff", "0x0001", "0xCAFE"]),
        "date": lambda: r.choice(["'2024-02-29'", "'1970-01-01'", "'0001-01-01'", "'1969-12-31'"]),
        "time": lambda: r.choice(["'00:00:00'", "'23:59:59.999999999'", "'12:30:00.5'"]),
        "timestamp": lambda: r.choice(["0", "1700000000000", "'2024-01-02 03:04:05+0000'", "-1"]),
        "uuid": lambda: f"00000000-0000-4000-8000-00000000000{r.randint(0, 9)}",
        "timeuuid": lambda: f"{r.randint(0, 9)}0000000-0000-1000-8000-00000000000{r.randint(0, 9)}",
        "inet": lambda: r.choice(["'127.0.0.1'", "'10.0.0.1'", "'::1'", "'2001:db8::5'"]),
        "duration": lambda: r.choice(["1d", "2h30m", "-1mo", "P1Y", "12us", "1y2mo3d4h5m6s"]),
    }
    return pick[base]()


class Table:
    def __init__(self, name):
        self.name = name
        self.pk, self.ck, self.static, self.regular = [], [], [], []  # (name, Type)
        self.counter = False

    @property
    def columns(self):
        return self.pk + self.ck + self.static + self.regular


class Program:
    """`statements` is the program; the keyspace's name stands in it as KS."""

    def __init__(self, seed, length=60):
        self.r = random.Random(seed)
        self.statements, self.tables, self.udts = [], [], []
        self.clock = 1000
        self.schema()
        for _ in range(length):
            self.statement()

    def emit(self, text):
        self.statements.append(text)

    # --- types and tables

    def type(self, depth=0, key=False, frozen=False):
        r = self.r
        roll = r.random()
        if depth >= 3 or roll < (0.85 if key else 0.55):
            return Type(r.choice(KEYS if key or depth else SCALARS))
        kind = r.choice(["list", "set", "map", "tuple", "vector", "udt"])
        if kind == "udt":
            if not self.udts:
                return Type("int")
            name, fields = r.choice(self.udts)
            text = f"frozen<{name}>" if key or frozen or depth or r.random() < 0.5 else name
            return Type(text, fields=fields, frozen=text != name)
        if kind == "vector":
            n = r.randint(1, 3)
            item = Type(r.choice(["float", "int", "text"]))
            return Type(f"vector<{item.text}, {n}>", (item,), True)
        items = tuple(self.type(depth + 1, key, True)
                      for _ in range({"list": 1, "set": 1, "map": 2}.get(kind, r.randint(1, 3))))
        body = f"{kind}<{', '.join(t.text for t in items)}>"
        if kind == "tuple":
            return Type(body, items, True)
        ice = key or frozen or depth > 0 or r.random() < 0.3
        return Type(f"frozen<{body}>" if ice else body, items, ice)

    def schema(self):
        r = self.r
        self.emit("CREATE KEYSPACE KS WITH replication = "
                  "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        for i in range(r.randint(0, 2)):
            fields = [(f"f{j}", self.type(2, False, True)) for j in range(r.randint(1, 3))]
            fields = [f for f in fields if f[1].base != "duration"]
            if fields:
                self.emit(f"CREATE TYPE KS.u{i} ({', '.join(f'{n} {t.text}' for n, t in fields)})")
                self.udts.append((f"KS.u{i}", fields))
        for i in range(r.randint(1, 2)):
            self.create(f"t{i}")

    def create(self, name):
        r = self.r
        t = Table(name)
        t.pk = [(f"k{i}", Type(r.choice(["int", "text", "int", r.choice(KEYS)])))
                for i in range(r.choice([1, 1, 1, 2]))]
        t.ck = [(f"c{i}", self.type(1, True)) for i in range(r.choice([0, 1, 1, 2, 3]))]
        t.counter = r.random() < 0.1
        if t.counter:
            t.regular = [(f"n{i}", Type("counter")) for i in range(r.randint(1, 2))]
        else:
            if t.ck and r.random() < 0.4:
                t.static = [(f"s{i}", self.type()) for i in range(r.randint(1, 2))]
            t.regular = [(f"v{i}", self.type()) for i in range(r.choice([0, 1, 2, 3, 4]))]
        kinds = [f"{n} {x.text}" for n, x in t.pk + t.ck]
        kinds += [f"{n} {x.text} static" for n, x in t.static]
        kinds += [f"{n} {x.text}" for n, x in t.regular]
        key = "(" + ", ".join(n for n, _ in t.pk) + ")"
        key = ", ".join([key] + [n for n, _ in t.ck])
        text = f"CREATE TABLE KS.{name} ({', '.join(kinds)}, PRIMARY KEY ({key}))"
        if t.ck and r.random() < 0.5:
            text += " WITH CLUSTERING ORDER BY (" + ", ".join(
                f"{n} {r.choice(['ASC', 'DESC'])}" for n, _ in t.ck) + ")"
        self.emit(text)
        self.tables.append(t)

    # --- statements

    def statement(self):
        r = self.r
        t = r.choice(self.tables)
        r.choices([self.insert, self.update, self.delete, self.select, self.batch, self.wrong,
                   self.condition, self.json, self.ddl],
                  [22, 16, 8, 34, 4, 5, 5, 4, 2])[0](t)

    def key_values(self, t, columns):
        """Few distinct keys, so that statements meet."""
        values = {}
        for n, x in columns:
            pool = random.Random(f"{t.name}{n}{x.text}{self.r.randint(0, 2)}")
            values[n] = x.literal(pool)
        return values

    def using(self, ttl=True):
        r = self.r
        self.clock += r.choice([0, 1, 1, 2, -2])
        text = f" USING TIMESTAMP {self.clock}"
        return text + (" AND TTL 100000" if ttl and r.random() < 0.1 else "")

    def insert_text(self, t):
        r = self.r
        if t.counter:
            return self.update_text(t)
        values = self.key_values(t, t.pk + t.ck)
        some = [c for c in t.static + t.regular if r.random() < 0.7]
        if t.static and r.random() < 0.2:
            values = self.key_values(t, t.pk)
            some = [c for c in some if c in t.static] or t.static[:1]
        for n, x in some:
            values[n] = x.maybe(r)
        return (f"INSERT INTO KS.{t.name} ({', '.join(values)}) VALUES "
                f"({', '.join(values.values())})")

    def insert(self, t):
        text = self.insert_text(t)
        self.emit(text if t.counter else text + self.using())

    def assignment(self, n, x):
        r = self.r
        base, roll = x.base, r.random()
        if x.text == "counter":
            return f"{n} = {n} {r.choice('+-')} {r.randint(0, 5)}"
        if x.fields and not x.frozen and roll < 0.5:
            f, ft = r.choice(x.fields)
            return f"{n}.{f} = {ft.maybe(r)}"
        if not x.frozen and base in ("list", "set", "map") and roll < 0.7:
            if base == "list":
                return r.choice([f"{n} = {n} + {x.literal(r)}", f"{n} = {x.literal(r)} + {n}",
                                 f"{n} = {n} - {x.literal(r)}",
                                 f"{n}[{r.randint(0, 2)}] = {x.items[0].maybe(r)}"])
            if base == "set":
                return f"{n} = {n} {r.choice('+-')} {x.literal(r)}"
            keys = Type(f"set<{x.items[0].text}>", x.items[:1]).literal(r)
            return r.choice([f"{n} = {n} + {x.literal(r)}", f"{n} = {n} - {keys}",
                             f"{n}[{x.items[0].literal(r)}] = {x.items[1].maybe(r)}"])
        return f"{n} = {x.maybe(r)}"

    def equal(self, values):
        return " AND ".join(f"{n} = {v}" for n, v in values.items())

    def update_text(self, t, using=""):
        r = self.r
        only_static = t.static and r.random() < 0.2
        pool = t.static if only_static else t.static + t.regular
        if not pool:
            return self.select_text(t)
        some = r.sample(pool, r.randint(1, min(2, len(pool))))
        only_static = t.ck and all(c in t.static for c in some)
        values = self.key_values(t, t.pk if only_static else t.pk + t.ck)
        return (f"UPDATE KS.{t.name}{using} SET "
                f"{', '.join(self.assignment(n, x) for n, x in some)} WHERE {self.equal(values)}")

    def update(self, t):
        self.emit(self.update_text(t, "" if t.counter else self.using()))

    def delete_text(self, t, using=""):
        r = self.r
        if t.counter:  # what Cassandra's counter cache still has then, comes back
            return self.update_text(t)
        what, keys = "", t.pk + t.ck[:r.randint(0, len(t.ck))]
        cells = t.static + t.regular
        if cells and r.random() < 0.4 and not t.counter:
            n, x = r.choice(cells)
            what = n
            if not x.frozen and x.base == "map" and r.random() < 0.5:
                what = f"{n}[{x.items[0].literal(r)}]"
            elif not x.frozen and x.base == "list" and r.random() < 0.5:
                what = f"{n}[{r.randint(0, 1)}]"
            elif not x.frozen and x.fields and r.random() < 0.5:
                what = f"{n}.{r.choice(x.fields)[0]}"
            keys = t.pk if (n, x) in t.static else t.pk + t.ck
        where = self.equal(self.key_values(t, keys))
        rest = [c for c in t.ck if c not in keys]
        if rest and not what and r.random() < 0.5:
            n, x = rest[0]
            where += f" AND {n} {r.choice(['<', '>', '<=', '>='])} {x.literal(r)}"
        return f"DELETE {what}{' ' if what else ''}FROM KS.{t.name}{using} WHERE {where}"

    def delete(self, t):
        self.emit(self.delete_text(t, "" if t.counter else self.using(ttl=False)))

    def selector(self, t):
        r = self.r
        n, x = r.choice(t.columns)
        roll = r.random()
        if roll < 0.45:
            return n
        regular = (n, x) in t.static + t.regular
        if regular and x.text != "counter" and roll < 0.55:
            return f"{r.choice(['writetime', 'WRITETIME', 'maxwritetime'])}({n})"
        if x.base in NUMBERS and roll < 0.75:
            other = r.choice([c for c, y in t.columns if y.base in NUMBERS] + ["1", "2.5", "-3"])
            return r.choice([f"{n} {r.choice('+-*')} {other}", f"-{n}", f"abs({n})",
                             f"cast({n} as {r.choice(NUMBERS + ['text'])})", f"round({n})"])
        if x.base == "map" and roll < 0.75:
            return r.choice([f"{n}[{x.items[0].literal(r)}]", f"map_keys({n})", f"map_values({n})",
                             f"collection_count({n})"])
        if x.base in ("set", "list") and roll < 0.75:
            return r.choice([f"collection_count({n})", f"{n}[{x.items[0].literal(r)}]",
                             f"to_json({n})"])
        if x.fields and roll < 0.75:
            return f"{n}.{r.choice(x.fields)[0]}"
        return r.choice([f"to_json({n})", f"{n} AS a{r.randint(0, 9)}", f"cast({n} as text)",
                         f"{x.base}_as_blob({n})", f"token({', '.join(c for c, _ in t.pk)})",
                         f"({x.text}) {x.literal(r)}"])

    def relation(self, t, column):
        r = self.r
        n, x = column
        roll = r.random()
        if not x.frozen and x.base in ("list", "set", "map") and x.items:
            if x.base == "map" and roll < 0.3:
                return f"{n} CONTAINS KEY {x.items[0].literal(r)}"
            if x.base == "map" and roll < 0.6:
                return f"{n}[{x.items[0].literal(r)}] = {x.items[1].literal(r)}"
            return f"{n} CONTAINS {x.items[-1].literal(r)}"
        if roll < 0.2:
            return f"{n} IN ({', '.join(x.literal(r) for _ in range(r.randint(0, 3)))})"
        value = self.key_values(t, [column])[n] if r.random() < 0.7 else x.literal(r)
        return f"{n} {r.choice(['=', '=', '=', '<', '>', '<=', '>='])} {value}"

    def where(self, t):
        r = self.r
        roll = r.random()
        if roll < 0.2:
            return []
        if roll < 0.3:
            names = ", ".join(n for n, _ in t.pk)
            return [f"token({names}) {r.choice(['>', '<=', '>=', '<'])} "
                    f"{r.choice([0, -2 ** 62, 2 ** 62])}"]
        relations = []
        if roll < 0.9:
            for n, v in self.key_values(t, t.pk).items():
                if r.random() < 0.2:
                    x = dict(t.pk)[n]
                    relations.append(f"{n} IN ({v}, {x.literal(r)}, {self.key_values(t, t.pk)[n]})")
                else:
                    relations.append(f"{n} = {v}")
            prefix = t.ck[:r.randint(0, len(t.ck))]
            if len(prefix) > 1 and r.random() < 0.3:
                names = ", ".join(n for n, _ in prefix)
                one = lambda: "(" + ", ".join(self.key_values(t, prefix).values()) + ")"
                if r.random() < 0.5:
                    return relations + [f"({names}) {r.choice(['=', '<', '>=', '>', '<='])} {one()}"]
                return relations + [f"({names}) IN ({one()}, {one()})"]
            for c in prefix:
                relations.append(self.relation(t, c))
        if roll >= 0.75:
            relations.append(self.relation(t, r.choice(t.columns)))
        return relations

    def select_text(self, t):
        r = self.r
        what = "*"
        if r.random() < 0.6:
            what = ", ".join(self.selector(t) for _ in range(r.randint(1, 3)))
        group = ""
        roll = r.random()
        if roll < 0.12:
            what = r.choice(["count(*)", *(f"{f}({n})" for f in ("min", "max", "count", "sum", "avg")
                                           for n, x in t.columns)])
        if roll < 0.06 and t.ck:
            group = " GROUP BY " + ", ".join(
                n for n, _ in t.pk + t.ck[:r.randint(0, len(t.ck))])
        if roll > 0.93:
            what = "DISTINCT " + ", ".join(n for n, _ in t.pk + t.static[:r.randint(0, 1)])
        if 0.9 < roll < 0.93:
            what = "JSON " + what
        where = self.where(t)
        text = f"SELECT {what} FROM KS.{t.name}"
        if where:
            text += " WHERE " + " AND ".join(where)
        text += group
        if t.ck and r.random() < 0.2:
            text += " ORDER BY " + ", ".join(f"{n} {d}" for n, d in [
                (n, r.choice(["ASC", "DESC"])) for n, _ in t.ck[:r.randint(1, len(t.ck))]])
        if t.ck and r.random() < 0.08:
            text += f" PER PARTITION LIMIT {r.randint(1, 3)}"
        if r.random() < 0.15:
            text += f" LIMIT {r.randint(1, 4)}"
        return text + (" ALLOW FILTERING" if r.random() < 0.6 else "")

    def select(self, t):
        self.emit(self.select_text(t))

    def batch(self, t):
        r = self.r
        some = [r.choice([self.insert_text, self.update_text, self.delete_text])(r.choice(
            [t, r.choice(self.tables)])) for _ in range(r.randint(1, 4))]
        some = [s for s in some if not s.startswith("SELECT")]
        kind = r.choice(["", "", "UNLOGGED ", "COUNTER " if t.counter else ""])
        using = "" if kind == "COUNTER " else self.using(ttl=False)
        self.emit(f"BEGIN {kind}BATCH{using} {'; '.join(some)}; APPLY BATCH")

    def condition(self, t):
        r = self.r
        roll = r.random()
        if roll < 0.35:
            self.emit(self.insert_text(t) + " IF NOT EXISTS")
            return
        text = self.update_text(t) if roll < 0.75 else self.delete_text(t)
        if text.startswith("SELECT"):
            return
        cells = t.static + t.regular
        if r.random() < 0.3 or not cells:
            self.emit(text + " IF EXISTS")
            return
        tests = []
        for n, x in r.sample(cells, r.randint(1, min(2, len(cells)))):
            op = r.choice(["=", "=", "!=", "<", ">=", "IN"])
            value = f"({x.literal(r)}, {x.maybe(r)})" if op == "IN" else x.maybe(r)
            tests.append(f"{n} {op} {value}")
        self.emit(text + " IF " + " AND ".join(tests))

    def json(self, t):
        r = self.r
        if t.counter:
            return
        pairs = []
        for n, x in t.pk + t.ck + [c for c in t.regular if r.random() < 0.6]:
            pairs.append(f'"{n}": {self.json_value(x)}')
        text = "{" + ", ".join(pairs) + "}"
        default = r.choice(["", "", " DEFAULT UNSET", " DEFAULT NULL"])
        self.emit(f"INSERT INTO KS.{t.name} JSON '{text}'{default}" + self.using(ttl=False))

    def json_value(self, x):
        r = self.r
        base = x.base
        if r.random() < 0.08:
            return "null"
        if x.fields:
            return "{" + ", ".join(f'"{n}": {self.json_value(y)}' for n, y in x.fields) + "}"
        if base in ("list", "set", "vector", "tuple"):
            items = x.items if base == "tuple" else x.items * r.randint(0, 2)
            return "[" + ", ".join(self.json_value(y) for y in items) + "]"
        if base == "map":
            key = self.json_value(x.items[0]).replace('"', '\\"')
            key = f'"{key}"' if not key.startswith('\\"') else '"' + key[2:-2] + '"'
            return "{" + f"{key}: {self.json_value(x.items[1])}" + "}"
        text = scalar(r, base)
        if text.startswith("'"):
            return '"' + text[1:-1].replace("\t", "\\t") + '"'
        if text[0].isalpha() or base in ("blob", "uuid", "timeuuid", "duration"):
            return text if text in ("true", "false") else f'"{text}"'
        return r.choice([text, text, f'"{text}"'])

    def wrong(self, t):
        """A right statement with one word replaced."""
        r = self.r
        text = r.choice([self.insert_text, self.update_text, self.delete_text, self.select_text])(t)
        words = text.split(" ")
        at = r.randrange(1, len(words))
        words[at] = r.choice(["nowhere", "1", "'x'", "null", "token", "(", "k0", "{1}", "IN", "",
                              words[at - 1], words[r.randrange(len(words))]])
        text = " ".join(words)
        if "TIMESTAMP" not in text and text.startswith("INSERT"):
            text += self.using(ttl=False)
        self.emit(text)

    def ddl(self, t):
        r = self.r
        cells = [c for c in t.regular if c[1].text != "counter"]
        roll = r.random()
        if roll < 0.35 and not t.counter:
            column = (f"v{r.randint(5, 99)}", self.type())
            t.regular.append(column)
            self.emit(f"ALTER TABLE KS.{t.name} ADD {column[0]} {column[1].text}")
        elif roll < 0.5 and len(cells) > 1:
            column = r.choice(cells)
            t.regular.remove(column)
            self.emit(f"ALTER TABLE KS.{t.name} DROP {column[0]}")
        elif roll < 0.6 and t.ck:
            n, x = t.ck[0]
            t.ck[0] = (n + "x", x)
            self.emit(f"ALTER TABLE KS.{t.name} RENAME {n} TO {n}x")
        elif roll < 0.7:
            self.emit(f"TRUNCATE KS.{t.name}")
        elif self.udts and roll < 0.8:
            name, fields = r.choice(self.udts)
            fields.append((f"f{len(fields)}", Type("int")))
            self.emit(f"ALTER TYPE {name} ADD {fields[-1][0]} int")
        else:
            n, x = r.choice(t.columns)
            self.emit(f"SELECT column_name, kind, position, type, clustering_order FROM "
                      f"system_schema.columns WHERE keyspace_name = 'KS' AND table_name = "
                      f"'{t.name}'")
