"""Where each state and each line of the workflow's graph goes: layers from top to bottom, lines at right angles.

The way that a good run takes is a straight column on the left; what happens after errors stands to its right.
Lines never pass through a state: they run in the channels between the columns and between the rows, and lines
that lead to the same state after errors share one track there.
"""

import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal, NamedTuple

from tryon_local.graph import Machine, State, Transition, read

STATE_WIDTH, STATE_HEIGHT = 200.0, 34.0
ROW_GAP = 23.0
COLUMN_GAP = 28.0
TRACK_GAP = 12.0
PORT_GAP = 10.0
BOX_PADDING, BOX_HEAD = 16.0, 42.0
LABEL_COLUMNS, LABEL_LINES = 16, 2
LABEL_LINE_HEIGHT, LABEL_LETTER = 13.0, 6.2
MARKER_GAP = 22.0


class Point(NamedTuple):
    """A place on the drawing, in pixels from its upper left corner."""

    x: float
    y: float


@dataclass(frozen=True)
class Node:
    """A state's box. `inside` names the Map that it belongs to; a `failing` state leads nowhere but to failure."""

    name: str
    type: str
    x: float
    y: float
    width: float
    height: float
    comment: str
    resource: str
    inside: str | None
    failing: bool


@dataclass(frozen=True)
class Label:
    """Words beside a line; `anchor` as in SVG."""

    x: float
    y: float
    anchor: Literal["start", "end"]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Edge:
    """A line from state to state, for all transitions of one kind between the two.

    `caught` lines are taken after errors; `back` ones lead to where the run has been already.
    """

    id: str
    source: str
    target: str
    caught: bool
    back: bool
    transitions: tuple[Transition, ...]
    points: tuple[Point, ...] = ()
    label: Label | None = None


@dataclass(frozen=True)
class Marker:
    """The dot before the first state, or the ring after a state that ends its execution."""

    kind: Literal["start", "end"]
    x: float
    y: float
    state: str
    inside: str | None


@dataclass(frozen=True)
class Layout:
    """A drawing of a state machine; a Map's own states lie inside its box."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    markers: tuple[Marker, ...]


def edge_id(source: str, target: str, *, caught: bool) -> str:
    """The name of the line between two states."""
    return f"{source} {'!' if caught else '>'} {target}"


def layout(definition: Mapping[str, Any], *, fold: bool = False) -> Layout:
    """The drawing of an ASL definition; the same for the same definition, in whatever order its states stand.

    With `fold` it has the way of a run without failures only.
    """
    machine = read(definition)
    return _Drawing(_good_way(machine) if fold else machine, None).drawn()


def _good_way(machine: Machine) -> Machine:
    """The states that a run passes when nothing fails, in their order, and the ways between them."""
    failing, kept, name = _failing(machine), [machine.start], machine.start
    while True:
        ahead = [way.target for way in machine.leaving(name) if way.kind != "catch"]
        following = next((target for target in ahead if target not in failing and target not in kept), None)
        if following is None:
            break
        kept.append(following)
        name = following
    ways = [way for way in machine.transitions if way.kind != "catch" and {way.source, way.target} <= {*kept}]
    states = [machine.state(name) for name in kept]
    inner = [replace(state, inner=_good_way(state.inner)) if state.inner else state for state in states]
    return Machine(machine.start, tuple(inner), tuple(ways))


Side = Literal["left", "right", "top", "bottom"]


@dataclass
class _Route:
    """How a line runs: out of a side, along a track of a channel between columns or rows, into a side."""

    edge: Edge
    leave: Side
    enter: Side
    channel: int | None = None
    above: int | None = None
    track: int = 0
    lane: int = 0

    @property
    def bus(self) -> tuple[Any, ...]:
        """What lines must have in common to share a track."""
        alone = not self.edge.caught or self.edge.back
        return (self.edge.target, self.leave, self.enter, self.edge.id if alone else None)


@dataclass
class _Drawing:
    machine: Machine
    inside: str | None
    rank: dict[str, int] = field(default_factory=dict)
    column: dict[str, int] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()
    inner: dict[str, Layout] = field(default_factory=dict)
    routes: list[_Route] = field(default_factory=list)

    def drawn(self) -> Layout:
        self.inner = {
            state.name: _Drawing(state.inner, state.name).drawn()
            for state in self.machine.states
            if state.inner is not None
        }
        self.failing = _failing(self.machine)
        edges = _edges(self.machine)
        self.rank = _ranks(self.machine, edges)
        self.column = self._columns(edges)
        self.routes = [self._route(edge) for edge in edges]
        self._share_tracks()
        return self._measured()

    # ------------------------------------------------------------ columns

    def _main(self, name: str, edges: Sequence[Edge]) -> str | None:
        """Where a run that goes well goes on to, as far as the definition shows."""
        ahead = [edge.target for edge in edges if edge.source == name and not edge.caught and not edge.back]
        return next((target for target in ahead if target not in self.failing), ahead[0] if ahead else None)

    def _columns(self, edges: Sequence[Edge]) -> dict[str, int]:
        """The good way in column 0; every other chain of states in the first column that has room."""
        column: dict[str, int] = {}
        taken: set[tuple[int, int]] = set()

        def place(chain: Sequence[str], first: int) -> None:
            rows = range(self.rank[chain[0]], self.rank[chain[-1]] + 1)
            here = next(c for c in count(first) if not any((c, row) in taken for row in rows))
            taken.update((here, row) for row in rows)
            column.update(dict.fromkeys(chain, here))

        def chain(name: str | None) -> list[str]:
            found: list[str] = []
            while name is not None and name not in column:
                found.append(name)
                name = self._main(name, edges)
            return found

        place(chain(self.machine.start), 0)
        for name in sorted(self.rank, key=lambda name: self.rank[name]):
            if name not in column:
                # Beside the good way, or below its end where it is no failure.
                place(chain(name), 1 if name in self.failing else 0)
        return column

    # ------------------------------------------------------------ routes

    def _route(self, edge: Edge) -> _Route:
        source, target = self.column[edge.source], self.column[edge.target]
        if source == target and edge.back:
            return _Route(edge, "left", "left", channel=source)
        if source == target and self._free(source, edge.source, edge.target):
            return _Route(edge, "bottom", "top")
        if source == target:
            return _Route(edge, "right", "right", channel=source + 1)
        if edge.back and target == source - 1 and self._free(source, edge.target, edge.source, first=True):
            return _Route(edge, "top", "right")
        if target == source + 1:
            return _Route(edge, "right", "left", channel=target)
        if target == source - 1:
            return _Route(edge, "left", "right", channel=source)
        away: Side = "right" if target > source else "left"
        channel = source + 1 if target > source else source
        return _Route(edge, away, "top", channel=channel, above=self.rank[edge.target])

    def _free(self, column: int, upper: str, lower: str, *, first: bool = False) -> bool:
        """Whether nothing stands in a column between two rows, the upper one included if it is asked for."""
        rows = range(self.rank[upper] + (0 if first else 1), self.rank[lower])
        return not any(self.column[name] == column and self.rank[name] in rows for name in self.rank)

    def _share_tracks(self) -> None:
        for channel in {route.channel for route in self.routes} - {None}:
            here = [route for route in self.routes if route.channel == channel]
            for track, bus in enumerate(sorted({route.bus for route in here}, key=self._bus_order(here))):
                for route in here:
                    if route.bus == bus:
                        route.track = track
        for above in {route.above for route in self.routes} - {None}:
            here = [route for route in self.routes if route.above == above]
            for lane, bus in enumerate(sorted({route.bus for route in here}, key=str)):
                for route in here:
                    if route.bus == bus:
                        route.lane = lane

    def _bus_order(self, here: Sequence[_Route]) -> Any:
        """Tracks from left to right: the further a line runs, the nearer it keeps to where it came from."""

        def order(bus: tuple[Any, ...]) -> tuple[Any, ...]:
            routes = [route for route in here if route.bus == bus]
            span = max(abs(self.rank[r.edge.source] - self.rank[r.edge.target]) for r in routes)
            leave, enter = routes[0].leave, routes[0].enter
            if leave == enter == "left":
                return (2, -span, str(bus))
            if leave == enter == "right":
                return (0, span, str(bus))
            deepest = self.rank[routes[0].edge.target]
            return (1, -deepest if leave == "right" else deepest, str(bus))

        return order

    # ------------------------------------------------------------ measures

    def _size(self, state: State) -> tuple[float, float]:
        if state.name not in self.inner:
            return STATE_WIDTH, STATE_HEIGHT
        inner = self.inner[state.name]
        return inner.width + 2 * BOX_PADDING, inner.height + BOX_HEAD + BOX_PADDING

    def _measured(self) -> Layout:
        sizes = {state.name: self._size(state) for state in self.machine.states}
        columns = range(max(self.column.values()) + 1)
        rows = range(max(self.rank.values()) + 1)
        widths = [max(sizes[name][0] for name in self.column if self.column[name] == c) for c in columns]
        heights = [max((sizes[name][1] for name in self.rank if self.rank[name] == r), default=0.0) for r in rows]
        gaps = [self._column_gap(c, len(widths)) for c in range(len(widths) + 1)]
        lefts = [sum(gaps[: c + 1]) + sum(widths[:c]) for c in columns]
        tops = [MARKER_GAP + sum(heights[:r]) + sum(self._row_gap(above) for above in range(1, r + 1)) for r in rows]
        nodes = {
            state.name: Node(
                name=state.name,
                type=state.type,
                x=lefts[self.column[state.name]] + (widths[self.column[state.name]] - sizes[state.name][0]) / 2,
                y=tops[self.rank[state.name]],
                width=sizes[state.name][0],
                height=sizes[state.name][1],
                comment=state.comment,
                resource=state.resource,
                inside=self.inside,
                failing=state.name in self.failing,
            )
            for state in self.machine.states
        }
        tracks = {
            channel: (0.0 if channel == 0 else lefts[channel - 1] + widths[channel - 1], gaps[channel])
            for channel in range(len(gaps))
        }
        edges = _apart([self._line(route, nodes, tracks, tops) for route in self.routes])
        markers = list(self._markers(nodes))
        width = lefts[-1] + widths[-1] + gaps[-1]
        height = tops[-1] + heights[-1] + (MARKER_GAP if any(m.kind == "end" for m in markers) else 0.0)
        inner_nodes, inner_edges, inner_markers = self._contents(nodes)
        return Layout(
            width,
            height,
            (*nodes.values(), *inner_nodes),
            (*edges, *inner_edges),
            (*markers, *inner_markers),
        )

    def _column_gap(self, channel: int, columns: int) -> float:
        here = [route for route in self.routes if route.channel == channel]
        if not here:
            return COLUMN_GAP if 0 < channel < columns else 0.0
        tracks = max(route.track for route in here)
        # The words beside a loop stand outside it.
        words = [_label_width(route.edge) + 10 for route in here if route.leave == route.enter == "left"]
        return max(COLUMN_GAP, 2 * TRACK_GAP + tracks * TRACK_GAP + (max(words, default=0.0)))

    def _row_gap(self, row: int) -> float:
        """The space above a row."""
        lanes = {route.lane for route in self.routes if route.above == row}
        words = max(
            (
                len(_label_lines(route.edge))
                for route in self.routes
                if route.leave == "bottom" and self.rank[route.edge.source] == row - 1
            ),
            default=0,
        )
        return max(ROW_GAP, 16 + words * LABEL_LINE_HEIGHT) + len(lanes) * TRACK_GAP

    def _contents(self, nodes: Mapping[str, Node]) -> tuple[list[Node], list[Edge], list[Marker]]:
        found: tuple[list[Node], list[Edge], list[Marker]] = ([], [], [])
        for name, inner in self.inner.items():
            dx, dy = nodes[name].x + BOX_PADDING, nodes[name].y + BOX_HEAD
            found[0].extend(replace(node, x=node.x + dx, y=node.y + dy) for node in inner.nodes)
            found[1].extend(_moved(edge, dx, dy) for edge in inner.edges)
            found[2].extend(replace(marker, x=marker.x + dx, y=marker.y + dy) for marker in inner.markers)
        return found

    def _markers(self, nodes: Mapping[str, Node]) -> Iterator[Marker]:
        start = nodes[self.machine.start]
        yield Marker("start", start.x + start.width / 2, start.y - MARKER_GAP + 5, start.name, self.inside)
        for state in self.machine.states:
            if state.ends and state.type not in ("Succeed", "Fail"):
                node = nodes[state.name]
                y = node.y + node.height + MARKER_GAP - 5
                yield Marker("end", node.x + node.width / 2, y, state.name, self.inside)

    # ------------------------------------------------------------ lines

    def _line(
        self,
        route: _Route,
        nodes: Mapping[str, Node],
        tracks: Mapping[int, tuple[float, float]],
        tops: Sequence[float],
    ) -> Edge:
        leave = self._port(route, nodes, leaving=True)
        enter = self._port(route, nodes, leaving=False)
        between: list[Point] = []
        if route.leave == "top":
            between = [Point(leave.x, enter.y)]
        elif route.channel is not None:
            start, gap = tracks[route.channel]
            if route.leave == route.enter == "left":
                # Loops keep to the states they go around; the rest of the channel is for their words.
                x = start + gap - TRACK_GAP * (1 + max(0, self._tracks(route.channel) - 1 - route.track))
            else:
                x = start + (gap - (self._tracks(route.channel) - 1) * TRACK_GAP) / 2 + route.track * TRACK_GAP
            between = [Point(x, leave.y), Point(x, enter.y)]
            if route.above is not None:
                y = tops[route.above] - TRACK_GAP * (1 + route.lane)
                between = [Point(x, leave.y), Point(x, y), Point(enter.x, y)]
        points = _straightened([leave, *between, enter])
        return replace(route.edge, points=points, label=_label(route, points))

    def _tracks(self, channel: int) -> int:
        return 1 + max(route.track for route in self.routes if route.channel == channel)

    def _port(self, route: _Route, nodes: Mapping[str, Node], *, leaving: bool) -> Point:
        """Where a line touches a state: as many places along a side as lines need, so that none cross there."""
        name, side = (route.edge.source, route.leave) if leaving else (route.edge.target, route.enter)
        node = nodes[name]
        ports: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        for other in self.routes:
            if (other.edge.source, other.leave) == (name, side):
                ports[other.edge.id, True] = self._port_order(other, side, leaving=True)
            if (other.edge.target, other.enter) == (name, side):
                ports[(*other.bus, False)] = self._port_order(other, side, leaving=False)
        order = sorted(ports, key=lambda port: (ports[port], str(port)))
        mine = order.index((route.edge.id, True) if leaving else (*route.bus, False))
        if side in ("top", "bottom"):
            # The good way stays straight; others keep to its right.
            middle = node.x + node.width / 2
            step = min(2 * PORT_GAP, (node.width / 2 - PORT_GAP) / max(1, len(order) - 1))
            return Point(middle + mine * step, node.y if side == "top" else node.y + node.height)
        step = min(PORT_GAP, (node.height - 2 * PORT_GAP) / max(1, len(order) - 1))
        y = node.y + min(node.height, STATE_HEIGHT) / 2 + (mine - (len(order) - 1) / 2) * step
        return Point(node.x if side == "left" else node.x + node.width, y)

    def _port_order(self, route: _Route, side: Side, *, leaving: bool) -> tuple[Any, ...]:
        if side in ("top", "bottom"):
            return (route.channel is not None, route.edge.caught, route.edge.back)
        here, there = route.edge.source, route.edge.target
        if not leaving:
            here, there = there, here
        if route.leave == "top":
            return (1, -1000)
        distance = route.track if side == "right" else -route.track
        return (0, distance) if self.rank[there] < self.rank[here] else (1, -distance)


def _edges(machine: Machine) -> list[Edge]:
    """One line for all transitions of a kind between two states."""
    back = _back(machine)
    bundles: dict[str, list[Transition]] = defaultdict(list)
    for transition in machine.transitions:
        bundles[edge_id(transition.source, transition.target, caught=transition.kind == "catch")].append(transition)
    return [
        Edge(
            id=name,
            source=bundle[0].source,
            target=bundle[0].target,
            caught=bundle[0].kind == "catch",
            back=(bundle[0].source, bundle[0].target) in back,
            transitions=tuple(bundle),
        )
        for name, bundle in bundles.items()
    ]


def _back(machine: Machine) -> set[tuple[str, str]]:
    """The pairs of states whose lines close a loop, found by walking on from the start."""
    back: set[tuple[str, str]] = set()
    seen: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        seen.add(name)
        for transition in machine.leaving(name):
            if transition.target in (*path, name):
                back.add((name, transition.target))
            elif transition.target not in seen:
                visit(transition.target, (*path, name))

    for state in machine.states:
        if state.name not in seen:
            visit(state.name, ())
    return back


def _ranks(machine: Machine, edges: Sequence[Edge]) -> dict[str, int]:
    """Each state's row: below everything that leads to it, loops left aside."""
    rank = {state.name: 0 for state in machine.states}
    forward = [edge for edge in edges if not edge.back]
    for _ in machine.states:
        for edge in forward:
            rank[edge.target] = max(rank[edge.target], rank[edge.source] + 1)
    return rank


def _failing(machine: Machine) -> frozenset[str]:
    """The states from which, errors aside, only failure is reached."""
    types = {state.name: state.type for state in machine.states}
    hopeful = {state.name for state in machine.states if state.ends and state.type != "Fail"}
    for _ in machine.states:
        hopeful |= {t.source for t in machine.transitions if t.kind != "catch" and t.target in hopeful}
    return frozenset(types.keys() - hopeful)


def _label_lines(edge: Edge) -> tuple[str, ...]:
    """The words of a Choice's lines; what is caught is told on request, since most of it is `any error`."""
    words = " or ".join(t.label for t in edge.transitions if t.kind in ("choice", "default"))
    return tuple(textwrap.wrap(words, LABEL_COLUMNS, max_lines=LABEL_LINES, placeholder=" …"))


def _label_width(edge: Edge) -> float:
    return max((len(line) for line in _label_lines(edge)), default=0) * LABEL_LETTER


def _label(route: _Route, points: Sequence[Point]) -> Label | None:
    lines = _label_lines(route.edge)
    if not lines:
        return None
    first, second = points[0], points[1]
    if route.leave == "bottom":
        return Label(first.x + 8, first.y + 14, "start", lines)
    if route.leave == "top":
        return Label(first.x + 8, first.y - 8 - (len(lines) - 1) * LABEL_LINE_HEIGHT, "start", lines)
    if route.leave == route.enter == "left":
        middle = (second.y + points[2].y - (len(lines) - 1) * LABEL_LINE_HEIGHT) / 2
        return Label(second.x - 8, middle + 4, "end", lines)
    anchor: Literal["start", "end"] = "start" if route.leave == "right" else "end"
    return Label(first.x + (8 if anchor == "start" else -8), first.y - 6, anchor, (" ".join(lines),))


def _apart(edges: Sequence[Edge]) -> list[Edge]:
    """Lines that leave a state's side close to each other, with the words of the lowest below it, the others' above."""
    found = {edge.id: edge for edge in edges}
    sides: dict[tuple[str, float], list[Edge]] = defaultdict(list)
    for edge in edges:
        if edge.label is not None and edge.points[0].y == edge.points[1].y and len(edge.label.lines) == 1:
            sides[edge.source, edge.points[0].x].append(edge)
    for beside in sides.values():
        *above, lowest = sorted(beside, key=lambda edge: edge.points[0].y)
        for n, edge in enumerate(reversed(above)):
            y = above[0].points[0].y - 6 - n * LABEL_LINE_HEIGHT
            found[edge.id] = replace(edge, label=edge.label and replace(edge.label, y=y))
        if above:
            y = lowest.points[0].y + LABEL_LINE_HEIGHT
            found[lowest.id] = replace(lowest, label=lowest.label and replace(lowest.label, y=y))
    return list(found.values())


def _moved(edge: Edge, dx: float, dy: float) -> Edge:
    label = edge.label and replace(edge.label, x=edge.label.x + dx, y=edge.label.y + dy)
    return replace(edge, points=tuple(Point(p.x + dx, p.y + dy) for p in edge.points), label=label)


def _straightened(points: Sequence[Point]) -> tuple[Point, ...]:
    """Without points that lie on the line between their neighbours."""
    kept: list[Point] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and (kept[-2].x == kept[-1].x == point.x or kept[-2].y == kept[-1].y == point.y):
            kept.pop()
        kept.append(point)
    return tuple(kept)
