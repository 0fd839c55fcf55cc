"""`tryon compare`: which variant reviewers preferred, from the files that the gallery exports."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tryon.json_types import Json
from tryon_cli.comparison import Comparison, Tally, compare
from tryon_cli.options import counted, json_option, print_json
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
    json_option(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the verdict."""
    try:
        # With its folder: two reviewers' exports of one run have one name.
        found = compare([read_export(path.read_bytes(), str(path)) for path in arguments.exports])
    except ExportError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    if arguments.json:
        print_json(console, _told(found))
    else:
        _show(found, console)
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
