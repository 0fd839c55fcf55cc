"""Play histories for as long as one likes: `python -m tests.soak --minutes 10`.

A failure prints the shortest history that shows it and the seed with which `--seed` plays the same ones again.
"""

import argparse
import contextlib
import io
import sys
import time
import warnings
from collections.abc import Callable
from random import SystemRandom

from hypothesis import HealthCheck, given, seed, settings

from tests.workflow.histories import HISTORIES, History, Theatre, theatre

A_STAGE = 40
"""Histories played on one application: what it keeps of earlier runs slows it down."""


def main() -> int:
    """Play until the time is up; 1 when a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="of the first stage; each next one adds 1")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    number = SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    until = time.monotonic() + chosen.minutes * 60
    played = 0
    while time.monotonic() < until or not played:
        slots = number % 3 + 1
        try:
            # What handlers log is thousands of lines, and of no use next to a failing history.
            with contextlib.redirect_stdout(io.StringIO()), theatre(slots) as stage:
                _histories(number, stage)()
        except BaseException:
            sys.stderr.write(f"broken: --seed {number}, {slots} slots, after {played} histories\n")
            raise
        number += 1
        played += A_STAGE
        sys.stderr.write(f"{played} histories, last seed {number - 1}\n")
    return 0


def _histories(number: int, stage: Theatre) -> Callable[[], None]:
    @seed(number)
    @settings(
        max_examples=A_STAGE,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(history=HISTORIES)
    def play(history: History) -> None:
        stage.play(history).check()

    return play


if __name__ == "__main__":
    sys.exit(main())
