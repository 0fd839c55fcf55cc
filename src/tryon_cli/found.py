"""The run that a command means: by its id, by how its id begins, or the newest one."""

from tryon.state.run import Run
from tryon_cli.target import Target, TargetError

MOST_NAMED = 5
"""Runs that are named where an id begins several."""


def newest(found: Target, run_id: str | None) -> str:
    """The id of the run asked for, or of the newest one; raises `TargetError` when there is none."""
    if run_id is not None:
        return one(found, run_id)
    runs = found.ledger.run_ids(limit=1)
    if not runs:
        raise TargetError(f"stack {found.name!r} has no runs yet: start one with `tryon run MANIFEST{found.options}`")
    return runs[0]


def one(found: Target, run_id: str) -> str:
    """The id that is this one or, if only one does, begins with it; raises `TargetError`."""
    if found.ledger.run(run_id) is not None:
        return run_id
    known = found.ledger.run_ids(limit=MOST_NAMED + 1, prefix=run_id)
    if len(known) == 1:
        return known[0]
    if not known:
        raise TargetError(f"stack {found.name!r} has no run {run_id}: see `tryon list{found.options}`")
    named = ", ".join(known[:MOST_NAMED]) + (", …" if len(known) > MOST_NAMED else "")
    raise TargetError(f"{run_id} begins several runs: {named}")


def read(found: Target, run_id: str) -> Run:
    """A run's item; raises `TargetError` when the ledger has none."""
    run = found.ledger.run(run_id)
    if run is None:
        raise TargetError(f"run {run_id} is not in this stack's ledger")
    return run
