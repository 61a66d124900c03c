"""Figures of scripts/bench repair as a picture: one SVG, light and dark, that needs nothing beside it.

    plot.draw(figures, "repair.svg")

Both axes of each panel are logarithmic; a curve is named at its last point, and each point says in a
title what it is.
"""
import html
import math

WIDTH, HEIGHT = 520, 330  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 44
COLOURS = ["#2f6fb0", "#c2571a", "#4b8b3b", "#8a4fa0"]
STYLE = """text{font:12px system-ui,sans-serif;fill:#222}.t{font-weight:600;font-size:13px}
.g{stroke:#ddd}.b{fill:#fff}
@media (prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}.b{fill:#181a1d}}"""
SIZES = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]


def bytes_name(n):
    for size, name in SIZES:
        if n >= size:
            return f"{n / size:g} {name}" if n % size == 0 else f"{n / size:.1f} {name}"
    return f"{n:g} B"


def count_name(n):
    for size, name in ((10**6, "M"), (10**3, "k")):
        if n >= size:
            return f"{n / size:g}{name}"
    return f"{n:g}"


def seconds_name(n):
    return f"{n:g} s" if n >= 1 else f"{n * 1000:g} ms"


class Axis:
    """Powers of `base` that hold all values, on a line from `start` to `end`."""

    def __init__(self, values, base, start, end):
        self.low = math.floor(math.log(min(values), base) + 1e-9)
        self.high = max(math.ceil(math.log(max(values), base) - 1e-9), self.low + 1)
        self.base, self.start, self.end = base, start, end

    def at(self, value):
        part = (math.log(value, self.base) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        return [self.base**n for n in range(self.low, self.high + 1)]


def apart(wanted, room=14):
    """Heights of labels, in the order given, moved so that none lies on another."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    heights = list(wanted)
    for before, after in zip(order, order[1:]):
        heights[after] = max(heights[after], heights[before] + room)
    return heights


def panel(left, top, title, curves, x_name, y_name, y_base):
    """curves: (name, [(x, y)]); points that are not above 0 have no place on a logarithmic axis."""
    curves = [(name, [p for p in points if min(p) > 0]) for name, points in curves]
    curves = [c for c in curves if c[1]]
    if not curves:
        return []
    points = [p for _, ps in curves for p in ps]
    x = Axis([p[0] for p in points], 10, left + LEFT, left + WIDTH - RIGHT)
    y = Axis([p[1] for p in points], y_base, top + HEIGHT - BOTTOM, top + TOP)
    out = [f'<text class="t" x="{left + LEFT}" y="{top + 22}">{html.escape(title)}</text>']
    for tick in y.ticks():
        out.append(f'<path class="g" d="M{x.start} {y.at(tick):.1f}H{x.end}"/>'
                   f'<text text-anchor="end" x="{x.start - 6}" y="{y.at(tick) + 4:.1f}">{y_name(tick)}</text>')
    for tick in x.ticks():
        out.append(f'<text text-anchor="middle" x="{x.at(tick):.1f}" y="{y.start + 18}">'
                   f'{count_name(tick)}</text>')
    out.append(f'<text text-anchor="middle" x="{(x.start + x.end) / 2}" y="{y.start + 36}">{x_name}</text>')
    ends = apart([y.at(points[-1][1]) for _, points in curves])
    for (name, points), colour, end in zip(curves, COLOURS, ends):
        line = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points)
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>')
        out += [f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3.5" fill="{colour}"><title>'
                f'{html.escape(name)}: {a:,} rows, {y_name(b)}</title></circle>' for a, b in points]
        out.append(f'<text x="{x.at(points[-1][0]) + 8:.1f}" y="{end + 4:.1f}" style="fill:{colour}">'
                   f'{html.escape(name)}</text>')
    return out


def draw(figures, path):
    full = [(f["rows"], f) for f in figures["one"] if f["what"] == "a row gone"]
    equal = [(f["rows"], f["equal"]) for f in figures["equal"]]
    peer = [(f["rows"], f["equal"]) for f in figures["cassandra"]]
    gone = [(f["gone"], f) for f in figures["differences"]]

    def curve(points, what):
        return [(n, f[what]) for n, f in points]

    parts = panel(0, 0, "Seconds against rows", [
        ("equal", curve(equal, "waited")), ("one row, --full", curve(full, "waited")),
        ("Cassandra, equal", curve(peer, "waited"))], "rows", seconds_name, 10)
    parts += panel(WIDTH, 0, "Bytes of search against rows", [
        ("equal", curve(equal, "bytes_search")), ("one row, --full", curve(full, "bytes_search")),
        ("Cassandra, equal", curve(peer, "bytes_search"))], "rows", bytes_name, 4)
    parts += panel(0, HEIGHT, "Seconds against differences", [
        ("--full", curve(gone, "waited"))], "rows gone from one replica", seconds_name, 10)
    parts += panel(WIDTH, HEIGHT, "Bytes against differences", [
        ("search", curve(gone, "bytes_search")),
        ("rows sent", [(n, f["bytes_sent"] + f["bytes_received"]) for n, f in gone]),
        ("rows as stored", curve(gone, "bytes_stored"))], "rows gone from one replica", bytes_name, 4)
    with open(path, "w") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {2 * HEIGHT}" '
                f'role="img" aria-label="cost of repair"><style>{STYLE}</style>'
                f'<rect class="b" width="100%" height="100%"/>{"".join(parts)}</svg>\n')
