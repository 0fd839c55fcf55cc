"""The workflow as a graph: read from its ASL definition, written as a Mermaid diagram for the documentation."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DEFINITION = Path(__file__).resolve().parents[2] / "statemachine" / "tryon.asl.json"
"""The workflow that is deployed."""

BEGIN, END = "<!-- graph:begin -->", "<!-- graph:end -->"
"""Between these two lines of a Markdown file the diagram is kept."""

TransitionKind = Literal["next", "choice", "default", "catch"]


@dataclass(frozen=True)
class Transition:
    """One way out of a state; `position` counts the rules of a Choice or the catchers, from 0.

    `label` is a rule's comment or condition, or a catcher's errors, in words.
    """

    source: str
    target: str
    kind: TransitionKind
    position: int = 0
    label: str = ""


@dataclass(frozen=True)
class State:
    """A state; `inner` is what a Map runs for each item. `ends` is said by `End: true` and by the two last types."""

    name: str
    type: str
    comment: str = ""
    resource: str = ""
    ends: bool = False
    inner: "Machine | None" = None


@dataclass(frozen=True)
class Machine:
    """A state machine, or the one inside a Map: its states in the order in which they are reached."""

    start: str
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]

    def state(self, name: str) -> State:
        """The state of that name, among this machine's own."""
        return next(state for state in self.states if state.name == name)

    def leaving(self, name: str) -> list[Transition]:
        """The ways out of a state: where it goes on to before where its errors lead."""
        return [transition for transition in self.transitions if transition.source == name]

    def walk(self) -> Iterator["Machine"]:
        """This machine and all inside it."""
        yield self
        for state in self.states:
            if state.inner is not None:
                yield from state.inner.walk()


def read(definition: Mapping[str, Any]) -> Machine:
    """An ASL definition as a graph. Raises ValueError for what it cannot draw: Parallel states, dangling names."""
    states = definition["States"]
    transitions = {name: list(_transitions(name, state)) for name, state in states.items()}
    reached = list(_reached(definition["StartAt"], transitions))
    # What nothing leads to is drawn too: it is there, and should be seen to be lost.
    order = [*reached, *sorted(states.keys() - set(reached))]
    return Machine(
        definition["StartAt"],
        tuple(_state(name, states[name]) for name in order),
        tuple(transition for name in order for transition in transitions[name]),
    )


def _reached(start: str, transitions: Mapping[str, Sequence[Transition]]) -> Iterator[str]:
    """The states in the order of a walk that follows the first way out to its end before it tries the second."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        if name not in transitions:
            raise ValueError(f"a transition leads to {name!r}, which is no state here")
        seen.add(name)
        yield name
        ahead += [transition.target for transition in reversed(transitions[name])]


def _state(name: str, state: Mapping[str, Any]) -> State:
    if state["Type"] == "Parallel":
        raise ValueError(f"{name} is a Parallel state, which is not drawn")
    inner = state.get("ItemProcessor")
    return State(
        name=name,
        type=state["Type"],
        comment=state.get("Comment", ""),
        resource=str(state.get("Resource", "")).partition(":states:::")[2],
        ends=state.get("End", False) or state["Type"] in ("Succeed", "Fail"),
        inner=read(inner) if inner else None,
    )


def _transitions(name: str, state: Mapping[str, Any]) -> Iterator[Transition]:
    if "Next" in state:
        yield Transition(name, state["Next"], "next")
    for i, rule in enumerate(state.get("Choices", [])):
        yield Transition(name, rule["Next"], "choice", i, rule.get("Comment") or in_words(rule.get("Condition", "")))
    if "Default" in state:
        yield Transition(name, state["Default"], "default", 0, "otherwise")
    for i, catcher in enumerate(state.get("Catch", [])):
        label = catcher.get("Comment") or errors_in_words(catcher["ErrorEquals"])
        yield Transition(name, catcher["Next"], "catch", i, label)


def in_words(condition: str) -> str:
    """A JSONata condition without its marks, so that it fits beside a line."""
    inner = condition.strip().removeprefix("{%").removesuffix("%}").strip()
    return re.sub(r"\$states\.input\.|\$\{(\w+)\}|\$(?=\w)", lambda found: found[1] or "", inner)


def errors_in_words(names: Sequence[str]) -> str:
    """A catcher's errors; of a long list, such as that of AWS's passing trouble, the first two and a number."""
    named = [error_in_words(name) for name in names]
    return ", ".join(named if len(named) <= 4 else [*named[:2], f"and {len(named) - 2} more"])


def error_in_words(name: str) -> str:
    """An error's name as it stands, but for the one that means all."""
    return "any error" if name == "States.ALL" else name


def mermaid(definition: Mapping[str, Any]) -> str:
    """The workflow as a Mermaid flowchart: solid lines go on, dotted ones are where errors lead."""
    lines = ["flowchart TD"]
    machine = read(definition)
    ids = _ids([state.name for part in machine.walk() for state in part.states])
    _draw(machine, ids, lines, "    ")
    lines += [
        "    classDef good stroke:#2a6b45,stroke-width:2px",
        "    classDef bad stroke:#a4262c,stroke-width:2px",
    ]
    return "\n".join(lines) + "\n"


_SHAPES = {
    "Choice": '{{"{}"}}',
    "Wait": '(["{}"])',
    "Succeed": '(["{}"]):::good',
    "Fail": '(["{}"]):::bad',
}


def _draw(machine: Machine, ids: Mapping[str, str], lines: list[str], indent: str) -> None:
    for state in machine.states:
        if state.inner is None:
            shape = _SHAPES.get(state.type, '["{}"]')
            lines.append(f"{indent}{ids[state.name]}{shape.format(_text(state.name))}")
            continue
        lines.append(f'{indent}subgraph {ids[state.name]}["{_text(state.name)}: for each item"]')
        lines.append(f"{indent}    direction TB")
        _draw(state.inner, ids, lines, indent + "    ")
        lines.append(f"{indent}end")
    for transition in machine.transitions:
        label = _text(transition.label).replace(", ", "<br>")
        arrow = "-.->" if transition.kind == "catch" else "-->"
        written = f'{arrow}|"{label}"|' if label else arrow
        lines.append(f"{indent}{ids[transition.source]} {written} {ids[transition.target]}")


def _ids(names: Sequence[str]) -> dict[str, str]:
    """Names that Mermaid takes for nodes; `end` is a word of its own there."""
    ids: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "", name) or "State"
        while plain in ids.values() or plain.lower() == "end":
            plain += "_"
        ids[name] = plain
    return ids


def _text(text: str) -> str:
    for character, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(character, entity)
    return text


def kept_in(document: str, definition: Mapping[str, Any]) -> str:
    """A Markdown document with the diagram brought up to date. Raises ValueError where it has no place for one."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n```mermaid\n{mermaid(definition)}```\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the diagram, or write it into a document."""
    parser = argparse.ArgumentParser(
        prog="python -m tryon_local.graph", description="The workflow as a Mermaid diagram."
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="Markdown file whose diagram is brought up to date")
    parsed = parser.parse_args(arguments)
    definition = json.loads(DEFINITION.read_text())
    if parsed.write is None:
        sys.stdout.write(mermaid(definition))
    else:
        parsed.write.write_text(kept_in(parsed.write.read_text(), definition))
    return 0


if __name__ == "__main__":
    sys.exit(main())
