"""What handlers print for executions is kept, up to a bound."""

from tryon_local.aws.lines import MAX_LINE, Line, Lines


def line(text: str, at: float = 0.0) -> Line:
    return Line(at, "PollFunction", "r", 1, text)


def test_lines_are_kept_by_execution_in_their_order() -> None:
    lines = Lines()
    for execution, text in (("a", "1"), ("b", "2"), ("a", "3")):
        lines.add(execution, line(text))
    assert [one.text for one in lines.of("a")] == ["1", "3"]
    assert [one.text for one in lines.of("b")] == ["2"]
    assert lines.of("c") == []


def test_the_oldest_go_whosever_they_are() -> None:
    lines = Lines(most=10)
    for execution, text in (("a", "aaaa"), ("b", "bbbb"), ("a", "cc")):
        lines.add(execution, line(text))
    assert [one.text for one in lines.of("a")] == ["aaaa", "cc"], "ten characters are within the bound"
    lines.add("b", line("d"))
    assert [one.text for one in lines.of("a")] == ["cc"]
    lines.add("c", line("eeeeeeee"))
    assert (lines.of("a"), lines.of("b")) == ([line("cc")][1:], [line("d")])
    assert [one.text for one in lines.of("c")] == ["eeeeeeee"]


def test_a_long_line_is_cut() -> None:
    lines = Lines()
    lines.add("a", line("x" * (MAX_LINE + 1)))
    (kept,) = lines.of("a")
    assert len(kept.text) == MAX_LINE
    assert kept.text.endswith("x …")


def test_metrics_are_no_lines() -> None:
    lines = Lines()
    lines.add("a", line('{"_aws":{"Timestamp":1},"service":"tryon"}'))
    assert lines.of("a") == []
