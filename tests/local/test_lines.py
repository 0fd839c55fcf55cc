"""What handlers print for executions is kept on disk, up to a bound."""

from tryon_local.aws.lines import MAX_LINE, Line, Lines


def line(text: str, at: float = 0.0) -> Line:
    return Line(at, "PollFunction", "r", 1, text)


def test_lines_are_kept_by_execution_in_their_order() -> None:
    lines = Lines()
    assert lines.of("a") == []
    for execution, text in (("a", "1"), ("b", "2"), ("a", "3")):
        lines.add(execution, line(text))
    assert [one.text for one in lines.of("a")] == ["1", "3"]
    assert [one.text for one in lines.of("b")] == ["2"]
    assert lines.of("c") == []
    told = Line(1_790_000_000.25, "PollFunction", "r-1", 7, 'ü "quoted" \\ \u2028')
    lines.add("c", told)
    assert lines.of("c") == [told]


def test_the_oldest_go_whosever_they_are() -> None:
    lines = Lines(most=4_000)
    for number in range(60):
        lines.add("ab"[number % 2], line(f"{number:03d}" + "x" * 100))
        kept = sorted(int(one.text[:3]) for execution in "ab" for one in lines.of(execution))
        assert kept == list(range(kept[0], number + 1)), "what goes is the oldest"
        assert sum(len(one.text) for execution in "ab" for one in lines.of(execution)) < 5_000
    assert 12 < len(kept) < 40


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
