"""tryon in Python: five calls for notebooks and scripts, as docs/notebook.md shows them.

    import tryon_client as tryon

    manifest = tryon.new("my-pictures")
    print(tryon.plan(manifest))
    run = tryon.run(manifest, at_most=18)
    run[0].picture
    tryon.retry(run, at_most=2)

Nothing is asked and nothing is paid by surprise: against a deployed stack `run` and `retry` need `at_most`, and start
nothing that may cost more. Each call takes a stack: its name, what `connect` returns, or nothing for the usual one.
"""

from tryon.planning.manifest import ManifestError
from tryon_cli.target import TargetError
from tryon_client.calls import PriceError, RunError, connect, new, plan, results, retry, run
from tryon_client.objects import Plan, Result, Results, Written

__all__ = [
    "ManifestError",
    "Plan",
    "PriceError",
    "Result",
    "Results",
    "RunError",
    "TargetError",
    "Written",
    "connect",
    "new",
    "plan",
    "results",
    "retry",
    "run",
]
