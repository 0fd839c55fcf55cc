"""`tryon plan`: what a manifest would do, and everything wrong with it, without doing anything."""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from cli.drop import local_pictures
from cli.options import (
    MOST_SLOTS,
    counted,
    json_option,
    not_negative,
    print_json,
    stack_options,
    target,
    whole,
)
from tryon import plan
from tryon.cadence import DEADLINE, DEFAULT, poll_times
from tryon.images import ImageError, prepare
from tryon.manifest import Manifest, ManifestError, Problem, parse

TYPICAL_LATENCY = 27.0
"""Seconds a task takes as a rule (20 to 30 s); a queue on the service's side adds minutes."""

DOWNLOAD_SECONDS = 2.0
"""Seconds that the last result takes on its way into S3."""


@dataclass(frozen=True)
class Forecast:
    """What a manifest would do: seconds of workflow time, cost in the stack's currency.

    `cost_at_most` is reached when the service refuses every result as often as the manifest lets it.
    """

    combinations: list[str]
    seconds: float
    polls: int
    cost: float
    cost_at_most: float
    currency: str
    slots: int
    converted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `plan`."""
    parser = commands.add_parser(
        "plan",
        help="check a manifest and its pictures; show combinations, keys, time and cost",
        description="Check a manifest and the pictures beside it, and show what it would do. Nothing is uploaded.",
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument(
        "--slots",
        type=whole(1, MOST_SLOTS),
        metavar="N",
        help="tasks the service runs at once (default: the stack's, else 1)",
    )
    parser.add_argument(
        "--price", type=not_negative, metavar="PRICE", help="price of a task (default: the stack's, else 1)"
    )
    parser.add_argument("--keys", action="store_true", help="list every combination's result key")
    parser.add_argument("--deployed", action="store_true", help="ask the stack for slots and price")
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=run)


def forecast(path: Path, *, slots: int, price: float, currency: str) -> Forecast:
    """Read and check a manifest as the stack would; raises `ManifestError` with all that is wrong."""
    data = path.read_bytes()
    manifest = parse(data, bucket="bucket", allowed_buckets=_buckets(data))
    plan.check_size(manifest, 1_000_000)
    pictures = local_pictures(json.loads(data.decode("utf-8-sig")), path.parent)
    problems, converted, unchecked = [], {}, []
    for name, image in _images(manifest):
        if image not in pictures:
            unchecked.append(image)
            continue
        try:
            prepared = prepare(pictures[image].read_bytes(), name=image, max_side=manifest.parameters.max_side)
        except ImageError as error:
            problems.append(Problem(name, str(error)))
        else:
            if not prepared.untouched:
                converted[image] = prepared.changes
    if problems:
        raise ManifestError(problems)
    models = {model.id: plan.Picture(bucket="bucket", key=model.image) for model in manifest.models}
    garments = {garment.id: plan.Picture(bucket="bucket", key=garment.image) for garment in manifest.garments}
    ids = [combination.id for combination in plan.expand(manifest, models, garments)]
    # A learned cadence lies in the stack's bucket; the default stands in for it here.
    polls = poll_times(manifest.cadence if isinstance(manifest.cadence, list) else DEFAULT, DEADLINE)
    seen = next((time for time in polls if time >= TYPICAL_LATENCY), polls[-1])
    rounds = -(-len(ids) // slots)
    return Forecast(
        ids,
        rounds * seen + DOWNLOAD_SECONDS,
        polls.index(seen) + 1,
        len(ids) * price,
        len(ids) * price * (1 + manifest.resubmissions),
        currency,
        slots,
        converted,
        unchecked,
    )


def _buckets(data: bytes) -> set[str]:
    """Every bucket that the manifest names: which ones may be read is the stack's to say."""
    text = data.decode("utf-8", "replace")
    return {part.partition("/")[0] for part in text.split("s3://")[1:]}


def _images(manifest: Manifest) -> list[tuple[str, str]]:
    return [
        *((f"models[{i}].image", model.image) for i, model in enumerate(manifest.models)),
        *((f"garments[{i}].image", garment.image) for i, garment in enumerate(manifest.garments)),
    ]


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the forecast."""
    parameters = target(arguments).parameters() if arguments.deployed else {}
    found = forecast(
        arguments.manifest,
        slots=arguments.slots or int(parameters.get("Slots", "1")),
        price=arguments.price if arguments.price is not None else float(parameters.get("PricePerTask", "1")),
        currency=parameters.get("Currency", "CNY"),
    )
    if arguments.json:
        print_json(console, found.__dict__)
        return 0
    minutes, seconds = divmod(round(found.seconds), 60)
    console.print(
        f"[bold]{counted(len(found.combinations), 'combination')}[/], about {minutes} min {seconds} s with "
        f"{counted(found.slots, 'slot')} ({counted(found.polls, 'poll')} each at the typical "
        f"{TYPICAL_LATENCY:.0f} s), "
        f"{found.cost:.2f} {found.currency} to the service",
        highlight=False,
    )
    if found.cost_at_most > found.cost:
        console.print(
            f"  at most {found.cost_at_most:.2f} {found.currency}, should the service refuse every result each time",
            highlight=False,
        )
    for image, changes in found.converted.items():
        console.print(f"  {image} will be converted: {', '.join(changes)}", highlight=False)
    for image in found.unchecked:
        console.print(f"  {image} is no file here: the stack looks for it in the bucket", highlight=False)
    if arguments.keys:
        for combination in found.combinations:
            model = combination.partition("__")[0]
            key = plan.RunFolder("<run_id>").result(model, combination, 1)
            console.print(f"  {key}", highlight=False, soft_wrap=True, markup=False)
        console.print("  (.png is what the service promises: a JPEG ends in .jpg, a WebP in .webp)", highlight=False)
    return 0
