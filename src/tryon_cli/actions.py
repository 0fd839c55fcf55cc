"""What the console of the local stack can do, as `tryon stop` and `tryon retry` do it."""

import hashlib
import threading
from collections import Counter

from tryon.planning.manifest import Manifest, ManifestError
from tryon.state.entry import Entry
from tryon.state.run import Price, Run
from tryon.wiring import parameters
from tryon_cli import price
from tryon_cli.drop import await_claim
from tryon_cli.options import counted
from tryon_cli.run import Left, left_of, put_retry
from tryon_cli.stop import at_stake, end
from tryon_cli.target import Target, TargetError
from tryon_local.console.actions import Offer, RefusedError

_STOP = "stop"
"""The mark of every stop: it concerns whatever is under way when it is done."""


class ConsoleActions:
    """Both actions on one stack; safe to share. A retry that was offered once is done once."""

    def __init__(self, found: Target) -> None:
        self._found = found
        self._lock = threading.Lock()
        self._done: set[str] = set()

    def price_of_stop(self, run_id: str) -> Offer:
        """How many combinations will not start, and what is paid for all the same."""
        run = self._running(run_id)
        entries = list(self._found.ledger.entries(run.run_id))
        waiting, at_service = at_stake(entries)
        return Offer(_STOP, waiting, len(at_service), self._paid(at_service))

    def stop(self, run_id: str, mark: str) -> str:
        run = self._running(run_id)
        if mark != _STOP:
            raise RefusedError("this is no offer to stop a run")
        end(self._found, run, "stopped in the console")
        return str(run.execution)

    def price_of_retry(self, run_id: str) -> Offer:
        """What is left of a run, and what it costs to do it."""
        left = self._left(run_id)
        notes = []
        if left.by:
            notes.append(f"What {', '.join(left.by)} repaired or is repairing is left out.")
        if left.unknown:
            notes.append(
                f"{counted(left.unknown, 'combination')} left out: a task may exist and be billed. "
                "`tryon retry --include-unknown` repeats them."
            )
        if left.wanted is None:
            return Offer("", notes=("Nothing is left to do.", *notes))
        try:
            told = price.of_retry(self._found, left.wanted)
        except (ManifestError, TargetError) as error:
            raise RefusedError(str(error)) from None
        if told.resumed:
            notes.insert(0, f"{told.resumed} of them paid for already: their pictures are fetched.")
        if told.cost_at_most > told.cost:
            most = f"{told.cost_at_most:.2f} {told.currency}"
            notes.append(f"At most {most}, should the service refuse every result each time.")
        combinations = len(told.combinations)
        return Offer(
            _mark(run_id, left.wanted),
            combinations,
            combinations - told.resumed,
            told.costs,
            told.seconds,
            tuple(notes),
        )

    def retry(self, run_id: str, mark: str) -> str:
        with self._lock:
            left = self._left(run_id)
            if left.wanted is None or _mark(run_id, left.wanted) != mark or mark in self._done:
                raise RefusedError("what is left of the run has changed since its price was shown")
            self._done.add(mark)
            key, version = put_retry(self._found, run_id, left.wanted)
        try:
            return await_claim(self._found, key, version).execution
        except TargetError as error:
            raise RefusedError(str(error)) from None

    def _left(self, run_id: str) -> Left:
        try:
            return left_of(self._found, run_id)
        except (ManifestError, TargetError) as error:
            raise RefusedError(str(error)) from None

    def _running(self, run_id: str) -> Run:
        run = self._found.ledger.run(run_id)
        if run is None or not run.running or run.execution is None:
            raise RefusedError("the run has ended")
        return run

    def _paid(self, entries: list[Entry]) -> dict[str, float]:
        told = self._found.parameters()
        paid: dict[str, float] = {}
        for service, count in Counter(entry.service for entry in entries).items():
            one = parameters.price(told, service, Price(0.0, ""))
            paid[one.currency] = paid.get(one.currency, 0.0) + one.amount * count
        return paid


def _mark(run_id: str, wanted: Manifest) -> str:
    return hashlib.sha256(f"{run_id} {wanted.encode()}".encode()).hexdigest()[:32]
