"""The workflow's graph: nothing left out, nothing twice, and a drawing in which lines can be followed."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryon_local import graph
from tryon_local.console.layout import LABEL_LETTER, LABEL_LINE_HEIGHT, Edge, Layout, Node, edge_id, layout
from tryon_local.graph import BEGIN, DEFINITION, END, kept_in, mermaid, read

ASL: dict[str, Any] = json.loads(DEFINITION.read_text())
ARCHITECTURE = DEFINITION.parent.parent / "docs" / "architecture.md"


def every_state(definition: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What the file says, read without the code under test."""
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from every_state(state["ItemProcessor"])


def every_transition(definition: Mapping[str, Any]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for name, state in every_state(definition):
        if "Next" in state:
            found[name, "next", state["Next"]] += 1
        if "Default" in state:
            found[name, "default", state["Default"]] += 1
        for rule in state.get("Choices", []):
            found[name, "choice", rule["Next"]] += 1
        for catcher in state.get("Catch", []):
            found[name, "catch", catcher["Next"]] += 1
    return found


def shuffled(definition: Any) -> Any:
    """The same definition with every object's keys the other way round."""
    if isinstance(definition, dict):
        return {name: shuffled(definition[name]) for name in reversed(definition)}
    return [shuffled(part) for part in definition] if isinstance(definition, list) else definition


def node(drawing: Layout, name: str) -> Node:
    (found,) = [node for node in drawing.nodes if node.name == name]
    return found


def line(drawing: Layout, source: str, target: str, *, caught: bool = False) -> Edge:
    (found,) = [edge for edge in drawing.edges if edge.id == edge_id(source, target, caught=caught)]
    return found


_SAME = 1e-6
"""Sums of the same widths in another order differ in their last digit."""


def middle(of: Node) -> float:
    return of.x + of.width / 2


# ---------------------------------------------------------------- reading


def test_every_state_and_every_transition_is_read_once() -> None:
    machines = list(read(ASL).walk())
    names = [state.name for machine in machines for state in machine.states]
    assert Counter(names) == Counter(name for name, _ in every_state(ASL))
    read_transitions = Counter((t.source, t.kind, t.target) for machine in machines for t in machine.transitions)
    assert read_transitions == every_transition(ASL)
    assert sum(read_transitions.values()) > 40


def test_states_come_in_the_order_of_a_good_run() -> None:
    names = [state.name for state in read(ASL).states]
    assert names[:6] == ["Manifest?", "Name", "Claim", "Plan", "Planned?", "TryOn"]
    assert names[6:10] == ["Compare", "Summarize", "Parts?", "Notify"]


def test_a_rules_comment_is_its_label_and_its_condition_where_it_has_none() -> None:
    choices = [{"Condition": "{% $states.input.refusals <= ${Most} and $left > 0 %}", "Next": "B"}]
    machine = {"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": choices}, "B": {"Type": "Succeed"}}}
    assert read(machine).transitions[0].label == "refusals <= Most and left > 0"
    choices[0]["Comment"] = "room left"
    assert read(machine).transitions[0].label == "room left"


@pytest.mark.parametrize(
    ("errors", "label"),
    [
        (["States.ALL"], "any error"),
        (["A", "B", "C", "D"], "A, B, C, D"),
        (["A", "B", "C", "D", "States.ALL"], "A, B, and 3 more"),
    ],
)
def test_a_long_list_of_errors_is_cut_in_the_label(errors: list[str], label: str) -> None:
    catch = [{"ErrorEquals": errors, "Next": "B"}]
    machine = {"StartAt": "A", "States": {"A": {"Type": "Task", "End": True, "Catch": catch}, "B": {"Type": "Fail"}}}
    assert [t.label for t in read(machine).transitions if t.kind == "catch"] == [label]


@pytest.mark.parametrize(
    ("states", "what"),
    [
        ({"A": {"Type": "Pass", "Next": "Nowhere"}}, "Nowhere"),
        ({"A": {"Type": "Parallel", "Branches": [], "End": True}}, "Parallel"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_not_left_out(states: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read({"StartAt": "A", "States": states})


def test_a_state_that_nothing_leads_to_is_drawn_all_the_same() -> None:
    states = {"A": {"Type": "Succeed"}, "Lost": {"Type": "Pass", "End": True}}
    assert {node.name for node in layout({"StartAt": "A", "States": states}).nodes} == {"A", "Lost"}


# ---------------------------------------------------------------- Mermaid


def test_mermaid_has_every_state_and_every_transition_once() -> None:
    text = mermaid(ASL)
    shown = re.findall(r'^ +(?:subgraph )?(\w+)[\[({]+"([\w?]+)(?:: for each item)?"', text, re.MULTILINE)
    assert Counter(name for _, name in shown) == Counter(name for name, _ in every_state(ASL))
    names = dict(shown)
    drawn = Counter(
        (names[source], arrow == "-.->", names[target])
        for source, arrow, target in re.findall(r'^ +(\w+) (-->|-\.->)(?:\|"[^"]*"\|)? (\w+)$', text, re.MULTILINE)
    )
    wanted: Counter[tuple[str, bool, str]] = Counter()
    for (source, kind, target), times in every_transition(ASL).items():
        wanted[source, kind == "catch", target] += times
    assert drawn == wanted


def test_mermaid_gets_no_character_that_it_would_take_for_its_own() -> None:
    choices = [{"Comment": 'a < b & "c" # 1', "Next": "End"}]
    machine = {"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": choices}, "End": {"Type": "Succeed"}}}
    text = mermaid(machine)
    assert '-->|"a #lt; b & #quot;c#quot; #35; 1"| End_' in text
    assert "\n    End(" not in text


def test_names_that_differ_in_marks_alone_stay_apart() -> None:
    text = mermaid(ASL)
    assert 'Rejected{"Rejected?"}' in text
    assert 'Rejected_(["Rejected"])' in text


def test_the_architectures_diagram_is_the_workflows() -> None:
    """Stale? `python -m tryon_local.graph --write docs/architecture.md` brings it up to date."""
    text = ARCHITECTURE.read_text()
    assert kept_in(text, ASL) == text


def test_writing_changes_nothing_but_the_diagram(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert graph.main(["--write", str(document)]) == 0
    once = document.read_text()
    assert once == f"before\n{BEGIN}\n```mermaid\n{mermaid(ASL)}```\n{END}\nafter\n"
    graph.main(["--write", str(document)])
    assert document.read_text() == once


def test_a_document_without_a_place_for_the_diagram_is_refused() -> None:
    with pytest.raises(ValueError, match="graph:begin"):
        kept_in("# Nothing here\n", ASL)


# ---------------------------------------------------------------- the drawing


def test_the_drawing_has_every_state_and_every_transition_once() -> None:
    drawing = layout(ASL)
    assert Counter(node.name for node in drawing.nodes) == Counter(name for name, _ in every_state(ASL))
    transitions = Counter((t.source, t.kind, t.target) for edge in drawing.edges for t in edge.transitions)
    assert transitions == every_transition(ASL)
    assert len({edge.id for edge in drawing.edges}) == len(drawing.edges)


def test_the_drawing_does_not_depend_on_the_order_in_which_states_are_written() -> None:
    assert layout(shuffled(ASL)) == layout(ASL)


def test_a_good_run_goes_straight_down() -> None:
    drawing = layout(ASL)
    for way in (
        [
            "Manifest?",
            "Name",
            "Claim",
            "Plan",
            "Planned?",
            "TryOn",
            "Compare",
            "Summarize",
            "Parts?",
            "Notify",
            "Whole?",
            "RunEnded",
        ],
        ["ReserveSlot", "Pace", "Submit", "Wait", "Poll", "Done?", "Download", "Check"],
    ):
        nodes = [node(drawing, name) for name in way]
        assert len({middle(one) for one in nodes}) == 1
        assert [one.y for one in nodes] == sorted(one.y for one in nodes)


def test_what_leads_to_failure_alone_is_known_and_stands_aside() -> None:
    drawing = layout(ASL)
    failing = {one.name for one in drawing.nodes if one.failing}
    assert failing == {
        "Explain",
        "ExplainRun",
        "RecordFailure",
        "Failed",
        "RecordFailedRun",
        "ReadOutcome",
        "NotifyFailedRun",
        "Rejected?",
        "Rejected",
        "RecordUnnotified",
        "RunFailed",
    }
    for name in failing:
        start = "ReserveSlot" if node(drawing, name).inside else "Name"
        assert node(drawing, name).x > node(drawing, start).x


def test_failure_stands_aside_even_where_the_good_way_has_ended() -> None:
    caught = [{"ErrorEquals": ["States.ALL"], "Next": "B"}]
    states = {
        "A": {"Type": "Task", "End": True, "Catch": caught},
        "B": {"Type": "Pass", "Next": "C"},
        "C": {"Type": "Fail"},
    }
    drawing = layout({"StartAt": "A", "States": states})
    assert node(drawing, "B").x == node(drawing, "C").x > node(drawing, "A").x


def test_loops_run_back_beside_the_states_that_they_repeat() -> None:
    drawing = layout(ASL)
    assert {edge.id for edge in drawing.edges if edge.back} == {
        "Done? > Wait",
        "Submit ! Pace",
        "Submit ! ReserveSlot",
        "AwaitAnswer > Submit",
        "Rest > ReserveSlot",
        "SubmitAgain? > ReserveSlot",
        "AnotherSeed? > ReserveSlot",
        "AwaitPictures > Plan",
        "Planned? > Plan",
        "TakePictures > Plan",
        "TakePictures ! Plan",
    }
    again = line(drawing, "Done?", "Wait")
    assert max(point.x for point in again.points) == node(drawing, "Wait").x
    assert again.points[0].y > again.points[-1].y
    whole = line(drawing, "SubmitAgain?", "ReserveSlot")
    assert whole.points[-1].x == node(drawing, "ReserveSlot").x + node(drawing, "ReserveSlot").width


def test_lines_after_errors_to_the_same_state_share_a_track() -> None:
    drawing = layout(ASL)
    caught = [line(drawing, source, "GiveSlotBack", caught=True) for source in ("ReserveSlot", "Submit", "Poll")]
    assert len({edge.points[1].x for edge in caught}) == 1
    assert line(drawing, "Done?", "Explain").points[1].x not in {edge.points[1].x for edge in caught}


def test_a_maps_states_lie_in_its_box() -> None:
    drawing = layout(ASL)
    box = node(drawing, "TryOn")
    inner = [one for one in drawing.nodes if one.inside == "TryOn"]
    assert len(inner) == len(ASL["States"]["TryOn"]["ItemProcessor"]["States"])
    for one in inner:
        assert box.x < one.x
        assert one.x + one.width < box.x + box.width
        assert box.y < one.y
        assert one.y + one.height < box.y + box.height


def check(drawing: Layout) -> None:
    """What must hold of any drawing."""
    for one, other in itertools.combinations(drawing.nodes, 2):
        if one.inside == other.inside:
            assert not _meet(one, (other.x, other.y, other.x + other.width, other.y + other.height)), (one, other)
    for edge in drawing.edges:
        source, target = node(drawing, edge.source), node(drawing, edge.target)
        assert _on_border(source, *edge.points[0]), edge
        assert _on_border(target, *edge.points[-1]), edge
        for here, there in itertools.pairwise(edge.points):
            assert here.x == there.x or here.y == there.y, edge
            area = (min(here.x, there.x), min(here.y, there.y), max(here.x, there.x), max(here.y, there.y))
            assert area[0] >= 0, edge
            assert area[2] <= drawing.width, edge
            for one in drawing.nodes:
                if one.inside == source.inside:
                    assert not _meet(one, area), (edge.id, one.name)


def _meet(one: Node, area: tuple[float, float, float, float]) -> bool:
    """Whether something lies inside a state's box; a line may run along its border."""
    left, top, right, bottom = area
    across = left < one.x + one.width - _SAME and one.x + _SAME < right
    down = top < one.y + one.height - _SAME and one.y + _SAME < bottom
    if left == right:
        across = one.x + _SAME < left < one.x + one.width - _SAME
    if top == bottom:
        down = one.y + _SAME < top < one.y + one.height - _SAME
    return across and down


def _on_border(one: Node, x: float, y: float) -> bool:
    left, right, top, bottom = one.x, one.x + one.width, one.y, one.y + one.height
    across = left - _SAME <= x <= right + _SAME and min(abs(y - top), abs(y - bottom)) < _SAME
    return across or (top - _SAME <= y <= bottom + _SAME and min(abs(x - left), abs(x - right)) < _SAME)


@pytest.mark.parametrize("fold", [False, True])
def test_no_words_lie_on_others(fold: bool) -> None:
    boxes = []
    for edge in layout(ASL, fold=fold).edges:
        if edge.label is None:
            continue
        for i, line in enumerate(edge.label.lines):
            wide, y = len(line) * LABEL_LETTER, edge.label.y + i * LABEL_LINE_HEIGHT
            left = edge.label.x - (wide if edge.label.anchor == "end" else 0)
            boxes.append((line, left, left + wide, y - 9, y + 2))
    assert len(boxes) > 3
    for (one, left, right, top, bottom), (other, *there) in itertools.combinations(boxes, 2):
        apart = right <= there[0] or there[1] <= left or bottom <= there[2] or there[3] <= top
        assert apart, (one, other)


def test_no_line_passes_through_a_state() -> None:
    check(layout(ASL))


@st.composite
def machines(draw: st.DrawFn) -> dict[str, Any]:
    """Any small state machine."""
    names = [f"S{i}" for i in range(draw(st.integers(1, 9)))]
    states: dict[str, Any] = {}
    for i, name in enumerate(names):
        target = st.sampled_from(names)
        kind = draw(st.sampled_from(["Task", "Choice", "Succeed", "Fail"])) if i < len(names) - 1 else "Succeed"
        state: dict[str, Any] = {"Type": kind}
        if kind == "Task":
            state |= {"End": True} if draw(st.booleans()) else {"Next": draw(target)}
            state["Catch"] = [
                {"ErrorEquals": ["States.ALL"], "Next": draw(target)} for _ in range(draw(st.integers(0, 2)))
            ]
        elif kind == "Choice":
            rules = [{"Condition": "{% $x %}", "Next": draw(target)} for _ in range(draw(st.integers(1, 3)))]
            state |= {"Choices": rules, "Default": draw(target)}
        states[name] = state
    return {"StartAt": "S0", "States": states}


@settings(max_examples=60, deadline=None)
@given(machine=machines())
def test_no_line_passes_through_a_state_of_any_machine(machine: dict[str, Any]) -> None:
    drawing = layout(machine)
    check(drawing)
    assert layout(shuffled(machine)) == drawing
