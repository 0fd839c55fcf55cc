"""Runs of two services in simulated time: how long each takes beside the other, in the plan's order and in others.

`python -m benchmarks.service_order` writes docs/service-order.md. The order is `tryon.planning.plan.expand`'s own, the
number of children `tryon.wiring.plan`'s; the rest is simulated: the Map starts children in the plan's order, each waits
for a slot of its account, holds it for its task's seconds, and downloads.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tryon.keys import Picture
from tryon.planning import plan
from tryon.planning.manifest import Manifest
from tryon.planning.plan import Share

PAGE = Path(__file__).resolve().parent.parent / "docs" / "service-order.md"

DOWNLOAD = 2.0
"""Seconds that a child lives on after its task has ended."""

SLOW, FAST = "service", "fashn"
"""The two accounts, by the gate's names: one slot of 27 s, six of 12 s."""

SHARES = {SLOW: Share(1, 27.0), FAST: Share(6, 12.0)}

CASES: Mapping[str, tuple[int, int]] = {
    "500 + 500": (500, 500),
    "500 + 2,000": (500, 2000),
    "a retry of the slow side, 100 + 0": (100, 0),
    "a retry of the fast side, 0 + 500": (0, 500),
}


@dataclass(frozen=True)
class Outcome:
    """Hours until each account's last task had ended."""

    slow: float
    fast: float

    @property
    def whole(self) -> float:
        """Hours until all had."""
        return max(self.slow, self.fast)


def children(accounts: Iterable[str]) -> int:
    """What the Map runs at once for these accounts, as Plan says it."""
    return sum(SHARES[name].slots + max(2, SHARES[name].slots // 2) for name in accounts)


def simulate(order: Sequence[str], most: int) -> Outcome:
    """Play combinations, each by its account, with so many children at once."""
    ended = dict.fromkeys(SHARES, 0.0)
    free = {name: share.slots for name, share in SHARES.items()}
    waiting: dict[str, deque[int]] = {name: deque() for name in SHARES}
    events: list[tuple[float, int, str, str]] = []
    left, numbers, now = iter(order), itertools.count(), 0.0

    def begin(name: str) -> None:
        free[name] -= 1
        heapq.heappush(events, (now + SHARES[name].seconds, next(numbers), "task", name))

    def start() -> None:
        name = next(left, None)
        if name is None:
            return
        if free[name]:
            begin(name)
        else:
            waiting[name].append(1)

    for _ in range(most):
        start()
    while events:
        now, _, what, name = heapq.heappop(events)
        if what == "child":
            start()
            continue
        ended[name] = now
        free[name] += 1
        heapq.heappush(events, (now + DOWNLOAD, next(numbers), "child", name))
        if waiting[name]:
            waiting[name].popleft()
            begin(name)
    return Outcome(ended[SLOW] / 3600, ended[FAST] / 3600)


def planned(slow: int, fast: int) -> list[str]:
    """The accounts in the order in which Plan starts so many combinations of each."""
    garments = max(slow, fast)
    found = Manifest.model_validate(
        {
            "models": [{"id": "m", "image": "m.jpg"}],
            "garments": [{"id": f"g{n}", "image": "g.jpg", "type": "upper"} for n in range(garments)],
            "variants": {"a": {}, "b": {"service": "fashn"}},
            "combinations": [
                *({"model": "m", "garment": f"g{n}", "variant": "a"} for n in range(slow)),
                *({"model": "m", "garment": f"g{n}", "variant": "b"} for n in range(fast)),
            ],
        }
    )
    pictures = {name: Picture(bucket="b", key=name) for name in ("m", *(f"g{n}" for n in range(garments)))}
    every = plan.for_all(found, pictures)
    made = plan.expand(found, every, every, shares=SHARES)
    return [SLOW if one.service.startswith("volcengine") else FAST for one in made]


def interleaved(slow: int, fast: int) -> list[str]:
    """The manifest's own order, variant innermost."""
    pairs = itertools.zip_longest([SLOW] * slow, [FAST] * fast)
    return [name for pair in pairs for name in pair if name is not None]


def alone(slow: int, fast: int) -> Outcome:
    """Each by itself."""
    return Outcome(
        simulate([SLOW] * slow, children([SLOW])).slow if slow else 0.0,
        simulate([FAST] * fast, children([FAST])).fast if fast else 0.0,
    )


def results() -> dict[str, dict[str, Outcome]]:
    """For each case: each service alone, Plan's order, the manifest's order, and one service after the other."""
    found = {}
    for name, (slow, fast) in CASES.items():
        most = children([account for account, count in ((SLOW, slow), (FAST, fast)) if count])
        found[name] = {
            "alone": alone(slow, fast),
            "the plan's order": simulate(planned(slow, fast), most),
            "the manifest's order": simulate(interleaved(slow, fast), most),
            "slow first": simulate([SLOW] * slow + [FAST] * fast, most),
        }
    return found


def page() -> str:
    """docs/service-order.md."""
    lines = [
        "# Two services in one run: the order of the plan",
        "",
        "Written by `python -m benchmarks.service_order`; a test compares. Simulated time, no clock of any machine.",
        "",
        "The plan starts the k-th combination of each account at k × seconds a task ÷ slots. One service has 1 slot",
        "and tasks of 27 s, the other 6 slots and tasks of 12 s; a child lives 2 s longer than its task. Hours until",
        "the last task of each had ended:",
        "",
        "| Combinations | Order | Slow | Fast | All |",
        "|---|---|---|---|---|",
    ]
    for case, outcomes in results().items():
        for order, one in outcomes.items():
            lines.append(f"| {case} | {order} | {one.slow:.2f} | {one.fast:.2f} | {one.whole:.2f} |")
    lines += [
        "",
        "In the manifest's order the fast service waits for the slow one: its children stand behind those that wait",
        "for the slow service's only slot. In the plan's order neither waits for the other.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
