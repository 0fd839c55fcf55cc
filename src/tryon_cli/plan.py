"""`tryon plan`: what a manifest would do, and everything wrong with it, without doing anything."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rich.console import Console

from tryon.cadence import DEADLINE, DEFAULT, poll_times
from tryon.keys import Picture, RunFolder
from tryon.learning import learned
from tryon.plan_run import needed_credits
from tryon.planning import plan
from tryon.planning.manifest import Manifest
from tryon.reporting import retry
from tryon.service import registry
from tryon.state.run import Price
from tryon.wiring import parameters
from tryon.wiring.state import REQUEST_MARGIN
from tryon_cli import balance, pictures
from tryon_cli.drop import Draft, InBucket, check, read_for
from tryon_cli.options import (
    MOST_SLOTS,
    counted,
    duration,
    json_option,
    not_negative,
    print_json,
    stack_options,
    target,
    whole,
)
from tryon_cli.target import LOCAL_STACK, Target, TargetError, listens

TYPICAL_LATENCY = 27.0
"""Seconds a task takes as a rule (20 to 30 s); a queue on the service's side adds minutes."""

MOST_BY_DEFAULT = 200
"""What the template's parameter `MaxCombinations` is when nobody sets it."""

DOWNLOAD_SECONDS = 2.0
"""Seconds that the last result takes on its way into S3."""


@dataclass(frozen=True)
class Limits:
    """What bounds a run: the stack's own numbers, or the template's defaults where no stack answers.

    `cadence` are the waits of this manifest, `latency` the seconds that a task takes, `rate` the requests a second (0
    without a limit), `pace` the seconds between two submits, `deadline` the seconds until a task is late.
    `combinations` bounds nothing where no stack answers: what a stack must allow is then said with the forecast.
    """

    slots: int = 1
    price: float = 1.0
    currency: str = "CNY"
    cadence: tuple[int, ...] = tuple(DEFAULT)
    latency: float = TYPICAL_LATENCY
    deadline: int = DEADLINE
    rate: float = 2.0
    pace: float = 2.0
    combinations: int = 1_000_000


@dataclass(frozen=True)
class Forecast:
    """What a manifest would do: seconds of workflow time, cost in the stack's currency.

    `resumed` combinations were paid for by an earlier run. `cost_at_most` is reached when the service refuses every
    result as often as the manifest lets it. `bound` is what the time depends on: slots, pace or requests.
    `unchecked` images are no files here, and no stack said whether they are in its bucket. `assumed` is what the
    forecast takes for granted because no stack answered; `stack` is the one that did. `costs` are by currency, `cost`
    is the one in `currency`, and so are `costs_at_most` and `cost_at_most`. `services` are the combinations of each
    service where there are several, `credits` what each prepaid account must have left, `credits_left` what it has
    where that could be asked.
    """

    combinations: list[str]
    seconds: float
    bound: str
    polls: int
    latency: float
    resumed: int
    cost: float
    cost_at_most: float
    currency: str
    slots: int
    converted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)
    stack: str | None = None
    assumed: list[str] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    costs_at_most: dict[str, float] = field(default_factory=dict)
    services: dict[str, int] = field(default_factory=dict)
    credits: dict[str, float] = field(default_factory=dict)
    credits_left: dict[str, float] = field(default_factory=dict)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `plan`."""
    parser = commands.add_parser(
        "plan",
        help="check a manifest and its pictures; show combinations, keys, time and cost",
        description="Check a manifest and its pictures, and show what it would do. Nothing is uploaded. The stack is "
        "asked for its limits, its price and the pictures in its bucket if it answers.",
    )
    parser.add_argument("manifest", type=Path, help="the manifest's file")
    parser.add_argument(
        "--slots",
        type=whole(1, MOST_SLOTS),
        metavar="N",
        help="tasks the service runs at once (default: the stack's, 1 if none answers)",
    )
    parser.add_argument(
        "--price",
        type=not_negative,
        metavar="PRICE",
        help="price of a task (default: the stack's, 1 if none answers)",
    )
    parser.add_argument("--keys", action="store_true", help="list every combination's result key")
    parser.add_argument("--deployed", action="store_true", help="fail if the stack does not answer")
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=run)


@dataclass(frozen=True)
class Part:
    """What a manifest would do at one service: combinations, seconds, polls each, cost, and what decides the time."""

    combinations: int
    resumed: int
    seconds: float
    bound: str
    polls: int
    cost: float
    cost_at_most: float
    limits: Limits


def forecast(
    draft: Draft,
    limits: Limits,
    *,
    others: Mapping[str, Limits] | None = None,
    earlier: retry.Earlier | None = None,
    in_bucket: InBucket | None = None,
) -> Forecast:
    """What a draft would do under these limits; raises `ManifestError` for what no stack with them would run.

    `others` are the limits of services, by key, for which the first do not hold.
    """
    manifest, earlier = draft.manifest, earlier or retry.Earlier()
    plan.check_size(manifest, limits.combinations, earlier.done)
    combinations = list(_expanded(manifest, earlier))
    settings = manifest.settings()
    parts = {}
    for key in manifest.services():
        own = [combination for combination in combinations if combination.service == key]
        parts[key] = _part(key, own, (others or {}).get(key, limits), manifest.resubmissions)
    seconds: dict[str, float] = {}
    for key, part in parts.items():
        account = registry.find(key).account
        seconds[account] = seconds.get(account, 0.0) + part.seconds
    slowest = max(parts.values(), key=lambda part: part.seconds)
    first = next(iter(parts.values()))
    costs: dict[str, float] = {}
    at_most: dict[str, float] = {}
    for part in parts.values():
        currency = part.limits.currency
        costs[currency] = costs.get(currency, 0.0) + part.cost
        at_most[currency] = at_most.get(currency, 0.0) + part.cost_at_most
    return Forecast(
        combinations=[combination.id for combination in combinations],
        seconds=max(seconds.values()) + DOWNLOAD_SECONDS,
        bound=slowest.bound,
        polls=slowest.polls,
        latency=slowest.limits.latency,
        resumed=sum(part.resumed for part in parts.values()),
        cost=costs[first.limits.currency],
        cost_at_most=at_most[first.limits.currency],
        currency=first.limits.currency,
        slots=slowest.limits.slots,
        converted=dict(draft.converted),
        unchecked=list(draft.elsewhere if in_bucket is None else in_bucket.unknown),
        costs=costs,
        costs_at_most=at_most,
        services={key: part.combinations for key, part in parts.items()} if len(settings) > 1 else {},
        credits=needed_credits(manifest, earlier),
    )


def _part(key: str, own: Sequence[plan.Combination], limits: Limits, resubmissions: int) -> Part:
    plan.check_polls(limits.cadence, limits.deadline)
    total, resumed = len(own), sum(combination.task_id is not None for combination in own)
    polls = poll_times(limits.cadence, limits.deadline)
    seen = next((time for time in polls if time >= limits.latency), polls[-1])
    asked = polls.index(seen) + 1
    requests = total * asked + (total - resumed)
    bounds = {
        "slots": -(-total // limits.slots) * seen,
        "pace": (total - resumed) * limits.pace,
        "requests": REQUEST_MARGIN * requests / limits.rate if limits.rate else 0.0,
    }
    bound = max(bounds, key=lambda name: bounds[name])
    by_picture = registry.find(key).billed == "picture"
    units = sum(one.parameters.pictures if by_picture else 1 for one in own)
    paid = sum(one.parameters.pictures if by_picture else 1 for one in own if one.task_id is None)
    return Part(
        combinations=total,
        resumed=resumed,
        seconds=bounds[bound],
        bound=bound,
        polls=asked,
        cost=paid * limits.price,
        cost_at_most=paid * limits.price + units * limits.price * resubmissions,
        limits=limits,
    )


def _expanded(manifest: Manifest, earlier: retry.Earlier) -> list[plan.Combination]:
    """The combinations in the manifest's order."""
    models = {model.id: Picture(bucket="bucket", key=model.image) for model in manifest.models}
    garments = {garment.id: Picture(bucket="bucket", key=garment.image) for garment in manifest.garments}
    pictures = plan.for_all(manifest, models), plan.for_all(manifest, garments)
    return sorted(plan.expand(manifest, *pictures, done=earlier.done, paid=earlier.paid), key=lambda one: one.n)


def asked(arguments: argparse.Namespace) -> tuple[Target | None, str]:
    """The stack that the options name, and why there is none when it does not answer."""
    if not arguments.deployed and arguments.stack == LOCAL_STACK and not listens(arguments.port):
        return None, f"no local stack answers on port {arguments.port}"
    try:
        return target(arguments), ""
    except TargetError as error:
        if arguments.deployed:
            raise
        return None, str(error)


def limits_of(found: Target, manifest: Manifest) -> dict[str, Limits]:
    """What a stack would hold this manifest to at each of its services, by key.

    Raises `ManifestError` for a cadence that it does not know.
    """
    told = found.parameters()
    defaults: dict[str, Sequence[int]] = {key: registry.find(key).cadence for key in manifest.services()}
    if "Cadence" in told:
        defaults[registry.FIRST] = [int(wait) for wait in told["Cadence"].split(",")]
    cadences, origin = learned.resolve(found.s3, found.bucket, manifest, defaults)
    limits = {}
    for key, cadence in cadences.items():
        usual = usual_limits(key)
        latency = origin.mean if origin and origin.service == key else usual.latency
        limits[key] = replace(_of_stack(key, usual, told), cadence=cadence, latency=latency)
    return limits


def usual_limits(key: str) -> Limits:
    """What a service of that key is held to where no stack says otherwise."""
    if key == registry.FIRST:
        return Limits()
    one = registry.find(key)
    rate = one.submit_rate
    return Limits(
        slots=1,
        price=0.0,
        currency="USD",
        cadence=one.cadence,
        latency=one.usual_seconds,
        deadline=one.deadline,
        rate=0.0,
        pace=rate.seconds / rate.requests if rate else 0.0,
    )


def _of_stack(key: str, usual: Limits, told: Mapping[str, str]) -> Limits:
    """A service's limits with what the stack's parameters say."""
    price = parameters.price(told, key, Price(usual.price, usual.currency))
    own = replace(
        usual,
        slots=max(1, parameters.slots(told, key, usual.slots)),
        price=price.amount,
        currency=price.currency,
        combinations=int(told.get("MaxCombinations", usual.combinations)),
    )
    if key != registry.FIRST:
        return own
    return replace(
        own,
        deadline=int(told.get("DeadlineSeconds", usual.deadline)),
        rate=float(told.get("RequestsPerSecond", usual.rate)),
        pace=float(told.get("PaceSeconds", usual.pace)),
    )


def _assumed(manifest: Manifest, arguments: argparse.Namespace) -> tuple[Limits, list[str]]:
    """The template's defaults, and in words what may be otherwise at the stack."""
    usual = Limits()
    words: list[str] = []
    if arguments.slots is None:
        words.append(counted(usual.slots, "slot"))
    if arguments.price is None:
        words.append(f"{usual.price:g} {usual.currency} a task")
    words.append(f"{usual.rate:g} requests a second")
    if isinstance(manifest.cadence, list):
        return replace(usual, cadence=tuple(manifest.cadence)), words
    name = f" for {manifest.cadence!r}" if manifest.cadence else ""
    words.append(f"the cadence {'/'.join(map(str, usual.cadence))} s{name}")
    if manifest.retry_of:
        words.append(f"that nothing of {manifest.retry_of} is resumed, so that all is paid")
    return usual, words


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the forecast."""
    why = ""

    def stack() -> Target | None:
        nonlocal why
        found, why = asked(arguments)
        return found

    draft, found = read_for(arguments.manifest, stack)
    earlier, in_bucket = None, None
    words: list[str] = []
    services = draft.manifest.services()
    if found is None:
        limits, words = _assumed(draft.manifest, arguments)
        others = {key: usual_limits(key) for key in services if key != registry.FIRST}
    else:
        in_bucket = check(found, draft)
        others = limits_of(found, draft.manifest)
        limits = others[services[0]]
        earlier = retry.look_back(draft.manifest, found.ledger, found.clock.now())
    own = {name: getattr(arguments, name) for name in ("slots", "price") if getattr(arguments, name) is not None}
    others = {key: replace(one, **own) for key, one in others.items()}
    told = forecast(draft, replace(limits, **own), others=others, earlier=earlier, in_bucket=in_bucket)
    if found is None and len(told.combinations) > MOST_BY_DEFAULT:
        words.append(f"a MaxCombinations of {len(told.combinations):,} or more ({MOST_BY_DEFAULT} by default)")
    left = balance.known(found, told.credits) if found else {}
    told = replace(told, stack=found.name if found else None, assumed=words, credits_left=left)
    if arguments.json:
        print_json(console, asdict(told))
        return 0
    _show(told, draft, console)
    if words:
        _line(f"{why}; assumed are {', '.join(words)}", console)
    if arguments.keys:
        for combination in told.combinations:
            model = combination.partition("__")[0]
            _line(RunFolder("<run_id>").result(model, combination, 1), console)
        _line("(.png is what the service promises: a JPEG ends in .jpg, a WebP in .webp)", console)
    return 0


_BOUNDS: Mapping[str, str] = {
    "slots": "the slots decide",
    "pace": "the least time between submits decides",
    "requests": "the requests a second decide",
}


def _show(told: Forecast, draft: Draft, console: Console) -> None:
    receiver = "the stand-in, not real" if told.stack == LOCAL_STACK else "the service"
    console.print(
        f"[bold]{counted(len(told.combinations), 'combination')}[/], about {duration(told.seconds)} with "
        f"{counted(told.slots, 'slot')} ({counted(told.polls, 'poll')} each), {money(told.costs)} "
        f"to {receiver}",
        highlight=False,
        soft_wrap=True,
    )
    if told.services:
        _line(", ".join(f"{count} by {key}" for key, count in told.services.items()), console)
    for name, needed in told.credits.items():
        _line(balance.said(name, needed, told.credits_left.get(name)), console)
    _line(f"a task takes {told.latency:.0f} s as a rule; {_BOUNDS[told.bound]} how long the run takes", console)
    if told.resumed:
        console.print(f"  {told.resumed} of them were paid for by an earlier run and are resumed", highlight=False)
    if told.cost_at_most > told.cost:
        console.print(
            f"  at most {told.cost_at_most:.2f} {told.currency}, should the service refuse every result each time",
            highlight=False,
            soft_wrap=True,
        )
    for image, changes in told.converted.items():
        _line(f"{image} will be converted: {', '.join(changes)}", console)
    for path in draft.outside:
        _line(f"{path.resolve()} is outside of the manifest's folder: `tryon run` asks before it uploads it", console)
    for number, image in enumerate(told.unchecked):
        where = "the stack looks for it in the bucket" if told.stack is None else "the stack may not be asked for it"
        _line(f"{image} is no file here: {where}{pictures.hint(image, draft.folder, number)}", console)


def money(costs: Mapping[str, float]) -> str:
    """Amounts by currency, never added up."""
    return " and ".join(f"{amount:.2f} {currency}" for currency, amount in costs.items())


def _line(text: str, console: Console) -> None:
    console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)
