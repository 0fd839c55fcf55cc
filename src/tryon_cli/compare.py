"""`tryon compare`: which variant reviewers preferred, from the files that the gallery exports."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tryon.json_types import Json, UnreadableError
from tryon.reporting import summary
from tryon.reporting.summary import VariantOutcome
from tryon_cli.comparison import Comparison, Tally, compare
from tryon_cli.options import counted, json_option, print_json
from tryon_cli.plan import money
from tryon_cli.review import ExportError, read_export


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `compare`."""
    parser = commands.add_parser(
        "compare",
        help="say which variant wins, from reviewers' exports",
        description="Read the JSON or CSV files that reviewers exported from galleries, and say which variant wins: "
        "wins by combination, 95 % confidence interval, sign test.",
        epilog="exit codes: 0 the files were compared, 2 a file is no export or was changed by a spreadsheet. Scripts "
        'read the verdict with --json: "winner" is a variant, or null while none wins.',
    )
    parser.add_argument("exports", type=Path, nargs="+", metavar="EXPORT")
    parser.add_argument(
        "--summary",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="the summary.json of a run that was reviewed: says which service made which variant, with price and "
        "refusals; may be given again",
    )
    json_option(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the verdict."""
    try:
        # With its folder: two reviewers' exports of one run have one name.
        found = compare([read_export(path.read_bytes(), str(path)) for path in arguments.exports])
        sides = _sides(arguments.summary)
    except (ExportError, UnreadableError, json.JSONDecodeError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    if arguments.json:
        print_json(console, _told(found) | {"services": [asdict(side) for side in sides]})
    else:
        _show(found, console)
        _show_sides(found, sides, console)
    return 0


def _show(found: Comparison, console: Console) -> None:
    console.print(f"[bold]{found.verdict}[/]", highlight=False)
    for duel in found.duels:
        view = Table(box=None, header_style="bold")
        view.add_column(f"{duel.first} against {duel.second}", no_wrap=True)
        for column in (f"{duel.first} wins", f"{duel.second} wins", "ties", "win rate", "95 % interval", "p"):
            view.add_column(column, justify="right", no_wrap=True)
        for name, tally in (("combinations", duel.tally), *duel.by_type.items(), ("single votes", duel.votes)):
            view.add_row(name, str(tally.wins), str(tally.losses), str(tally.ties), *_odds(tally))
        console.print(view)
    for variant, stars in found.ratings.items():
        console.print(f"{variant}: {stars.mean:.2f} stars on average of {stars.count}", highlight=False)
    console.print(
        f"{counted(found.judgements, 'judgement')} of {counted(found.reviewers, 'reviewer')} on "
        f"{counted(found.combinations, 'combination')}, {found.blind} of them blind",
        highlight=False,
    )
    if found.agreement is not None:
        console.print(f"reviewers agree in {100 * found.agreement:.0f} % of what more than one judged", highlight=False)
    if found.both_bad:
        console.print(f"{counted(found.both_bad, 'judgement')} said that both are bad", highlight=False)
    if found.steady[1]:
        alike, repeated = found.steady
        console.print(f"{alike} of {counted(repeated, 'repeated pair')} judged as the first time", highlight=False)


@dataclass(frozen=True)
class Side:
    """A variant in all runs that were reviewed: the services that made it, what it cost, how much it refused."""

    variant: str
    services: tuple[str, ...]
    succeeded: int
    failed: int
    refused: int
    costs: dict[str, float]


def _sides(summaries: Sequence[Path]) -> list[Side]:
    """What the runs' summaries say of each variant; raises `UnreadableError` for a file that is none."""
    found: dict[str, list[VariantOutcome]] = {}
    for path in summaries:
        for one in summary.read(path.read_bytes()).variants:
            found.setdefault(one.variant, []).append(one)
    sides = []
    for variant, outcomes in sorted(found.items()):
        costs: dict[str, float] = {}
        for one in outcomes:
            costs[one.currency] = round(costs.get(one.currency, 0.0) + one.cost, 4)
        sides.append(
            Side(
                variant,
                tuple(sorted({one.service for one in outcomes})),
                sum(one.succeeded for one in outcomes),
                sum(one.failed for one in outcomes),
                sum(one.refused for one in outcomes),
                costs,
            )
        )
    return sides


def _show_sides(found: Comparison, sides: Sequence[Side], console: Console) -> None:
    for side in sides:
        total = side.succeeded + side.failed
        refused = f", {side.refused} refused" if side.refused else ""
        console.print(
            f"{side.variant} is {' and '.join(side.services)}: {side.succeeded} of {total} made{refused}, "
            f"{money(side.costs)}",
            highlight=False,
            soft_wrap=True,
        )
    by = {side.variant: side.services for side in sides}
    if found.winner is not None and len(by.get(found.winner, ())) == 1:
        console.print(f"the service that wins is {by[found.winner][0]}", highlight=False)
    for duel in found.duels:
        for type_, tally in duel.by_type.items():
            ahead = duel.first if tally.wins > tally.losses else duel.second if tally.losses > tally.wins else None
            if ahead is not None and len(by.get(ahead, ())) == 1 and len(by) > 1:
                console.print(f"  {type_}: {by[ahead][0]} is ahead", highlight=False)


def _odds(tally: Tally) -> tuple[str, str, str]:
    if tally.rate is None or tally.interval is None:
        return "", "", ""
    low, high = tally.interval
    return f"{100 * tally.rate:.0f} %", f"{100 * low:.0f}–{100 * high:.0f} %", f"{tally.p_value:.2g}"


def _told(found: Comparison) -> dict[str, Json]:
    return {
        "winner": found.winner,
        "verdict": found.verdict,
        "variants": found.variants,
        "runs": found.runs,
        "reviewers": found.reviewers,
        "judgements": found.judgements,
        "combinations": found.combinations,
        "duels": [
            {
                "first": duel.first,
                "second": duel.second,
                "wins": duel.tally.wins,
                "losses": duel.tally.losses,
                "ties": duel.tally.ties,
                "rate": duel.tally.rate,
                "interval": duel.tally.interval,
                "p_value": duel.p_value,
            }
            for duel in found.duels
        ],
        "ratings": {variant: {"count": stars.count, "mean": stars.mean} for variant, stars in found.ratings.items()},
        "agreement": found.agreement,
        "both_bad": found.both_bad,
        "repeated": {"alike": found.steady[0], "pairs": found.steady[1]},
    }
