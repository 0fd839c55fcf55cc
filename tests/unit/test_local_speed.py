"""The comparison of two checkouts' local stacks: its ratios, its verdict and its counts."""

from benchmarks.local_speed import Measured, table


def measured(cpu: float, peak: float, **calls: int) -> Measured:
    return Measured(cpu, peak, 18, calls, {"PollFunction": 72})


def test_the_ratios_are_of_medians_and_the_target_is_met_or_missed() -> None:
    here = [measured(4, 300, a=1), measured(3, 300, a=1), measured(100, 300, a=1)]
    there = [measured(10, 400, a=1), measured(11, 400, a=1), measured(9, 400, a=1)]
    shown = table(here, there)
    assert "| CPU | 4.0 s | 10.0 s | 0.40 | 0.4: met |" in shown
    assert "| peak | 300.0 MB | 400.0 MB | 0.75 | 0.4: missed |" in shown


def test_a_call_that_only_one_of_them_makes_is_counted_as_none_of_the_others() -> None:
    shown = table([measured(1, 1, new=5)], [measured(1, 1, old=7)])
    for line in ("| new | 5 | 0 |", "| old | 0 | 7 |", "| PollFunction | 72 | 72 |"):
        assert line in shown
