"""How well the checks of results find what is wrong, on synthetic cases: `python -m benchmarks.checks [EVIDENCE]`.

EVIDENCE has a case a line, as `tests/data/check-cases.jsonl`, which is taken where none is given: a right or a wrong
result of a model and a garment, with its signature and its measurements. Each wrong one is put in its place into a grid
of right ones, so many garments wide and so many models high. The limit of 1 % is that of right results of other people.
`python -m benchmarks.check_pictures` and `check_evidence` make the cases whose figures docs/checks.md has.
`--scale 10000` measures `compare` alone, on right results repeated; `--tails` prints what limits are guessed from.
"""

import argparse
import json
import sys
import time
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.peak import peak
from tryon.checks.compare import compare
from tryon.checks.limits import DEFAULT, tail, wilson
from tryon.checks.records import Evidence, Measurements, Verdict
from tryon.checks.vocabulary import Check, State
from tryon.pictures.signature import Signature

CASES = Path(__file__).resolve().parent.parent / "tests" / "data" / "check-cases.jsonl"

FACES = {Check.FACE_DIFFERS, Check.FACE_COLOURS, Check.FACE_SMOOTHED, Check.ANOTHER_PERSON}

GRIDS = ((8, 4), *((garments, models) for garments in (3, 5, 15) for models in (2, 4, 8)))
"""Garments of a row and models of a column, as far as there are so many cases."""

PLAIN = {"ssim": "SSIM of the whole picture", "hash": "perceptual hash"}
"""The plain measures beside the model's photograph, where the evidence has them."""


@dataclass(frozen=True)
class Case:
    """A result: what is wrong with it (None for a right one), by which rendering it was made, and of whom.

    `shows` is the garment of the run that it shows instead of its own.
    """

    evidence: Evidence
    fault: str | None
    rendering: str
    person: str
    plain: Mapping[str, float]
    shows: str | None = None


@dataclass(frozen=True)
class Cases:
    """All cases, and the signatures of the models' photographs."""

    cases: tuple[Case, ...]
    models: Mapping[str, Signature]

    def right(self, rendering: str) -> list[Case]:
        """The right results of a rendering."""
        return [case for case in self.cases if case.fault is None and case.rendering == rendering]


def read(path: Path) -> Cases:
    """The cases of a file, a line of JSON each; lines with `photograph` are the models' own."""
    cases, models = [], {}
    for n, line in enumerate(path.read_text().splitlines(), start=1):
        fields = json.loads(line)
        signature = Signature.loads(b64decode(fields["signature"]))
        if "photograph" in fields:
            models[fields["photograph"]] = signature
            continue
        evidence = Evidence(
            n,
            1,
            fields["model"],
            fields["garment"],
            fields["type"],
            f"{n:064x}",
            "",
            signature,
            Measurements.loads(b64decode(fields["measurements"])),
        )
        fault, rendering, person = (fields[name] for name in ("fault", "rendering", "person"))
        cases.append(Case(evidence, fault, rendering, person, fields.get("plain", {}), fields.get("shows")))
    return Cases(tuple(cases), models)


def grid(cases: Cases, case: Case, garments: int, models: int) -> list[Evidence]:
    """A run around a case, itself in it: right results of so many garments on so many models, row by row.

    The garment that the case shows instead of its own is one of them.
    """
    right = cases.right(case.rendering)
    own = case.evidence

    def chosen(names: Iterator[str], first: Sequence[str], count: int) -> list[str]:
        return [*first, *(name for name in dict.fromkeys(names) if name not in first)][:count]

    alike = [one for one in right if one.evidence.kind == own.kind]
    others = [one for one in right if one.evidence.kind != own.kind]
    worn = chosen(
        (one.evidence.worn for one in [*alike, *others]), [own.worn, *([case.shows] if case.shows else [])], garments
    )
    people = chosen((one.evidence.model for one in right), [own.model], models)
    cells = {(one.evidence.model, one.evidence.worn): one.evidence for one in right}
    cells[own.model, own.worn] = own
    return [cells[model, garment] for model in people for garment in worn if (model, garment) in cells]


def verdict(cases: Cases, case: Case, garments: int, models: int) -> Verdict:
    """What the checks say of a case in its grid."""
    run = grid(cases, case, garments, models)
    return next(one for one in compare(run, models=cases.models) if one.n == case.evidence.n)


def relative(one: Verdict, *, faces: bool = True) -> float:
    """The largest score of a verdict in units of its limit, with or without the checks of faces."""
    scores = (DEFAULT.surprise(check, score) for check, score in one.scores.items() if faces or check not in FACES)
    return max(scores, default=0.0)


def area(wrong: Sequence[float], right: Sequence[float]) -> float:
    """The share of pairs of a wrong and a right result that are in the right order (AUC)."""
    pairs = [(a > b) + 0.5 * (a == b) for a in wrong for b in right]
    return sum(pairs) / max(1, len(pairs))


@dataclass(frozen=True)
class Looked:
    """A case with its verdict in one grid."""

    case: Case
    verdict: Verdict

    @property
    def surprise(self) -> float:
        return relative(self.verdict)


def look(cases: Cases, garments: int, models: int) -> list[Looked]:
    """Each case in a grid of its own."""
    return [Looked(case, verdict(cases, case, garments, models)) for case in cases.cases]


def table(looked: Sequence[Looked]) -> dict[str, dict[str, float]]:
    """By kind of fault: how many, found at 1 % (other people's limit), area, flagged by fixed limits."""
    right = [one for one in looked if one.case.fault is None]
    limits = {
        person: quantile([one.surprise for one in right if one.case.person != person], 0.99)
        for person in {one.case.person for one in looked}
    }
    by_fault = defaultdict(list)
    for one in looked:
        by_fault[one.case.fault or "right"].append(one)
    return {
        fault: {
            "cases": len(some),
            "found": sum(one.surprise > limits[one.case.person] for one in some) / len(some),
            "area": area([one.surprise for one in some], [one.surprise for one in right]),
            "flagged": sum(one.verdict.state is State.FLAGGED for one in some) / len(some),
        }
        for fault, some in by_fault.items()
    }


def baseline(cases: Cases, measure: str) -> dict[str, dict[str, float]]:
    """The same for a plain measure: how far it is from the middle of right results of other people, either way."""
    middles, limits = {}, {}
    for person in {case.person for case in cases.cases}:
        others = [case.plain[measure] for case in cases.cases if case.fault is None and case.person != person]
        middles[person] = quantile(others, 0.5)
        limits[person] = quantile([abs(value - middles[person]) for value in others], 0.99)
    apart = [(case, abs(case.plain[measure] - middles[case.person])) for case in cases.cases]
    right = [score for case, score in apart if case.fault is None]
    by_fault = defaultdict(list)
    for case, score in apart:
        by_fault[case.fault or "right"].append((score, limits[case.person]))
    return {
        fault: {
            "cases": len(some),
            "found": sum(score > limit for score, limit in some) / len(some),
            "area": area([score for score, _ in some], right),
        }
        for fault, some in by_fault.items()
    }


def tails(cases: Cases, garments: int, models: int) -> dict[Check, tuple[int, float, float, float]]:
    """By check, of right results: how many, where their highest tenth begins, its mean excess, and the highest."""
    scores = defaultdict(list)
    for case in cases.cases:
        if case.fault is None:
            for check, score in verdict(cases, case, garments, models).scores.items():
                scores[check].append(score)
    found = {check: (tail(sorted(some)), some) for check, some in scores.items()}
    return {check: (len(some), its.start, its.mean, max(some)) for check, (its, some) in found.items()}


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share is at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def first(looked: Sequence[Looked], *, faces: bool) -> dict[int, float]:
    """Of 1,000 results of which 30 are wrong, the expected share of wrong ones in the first 50 and 100."""
    right = sorted(relative(one.verdict, faces=faces) for one in looked if one.case.fault is None)
    wrong = [relative(one.verdict, faces=faces) for one in looked if one.case.fault]
    found = {}
    for most in (50, 100):
        # So many right ones may stand before a wrong one, the other wrong ones being there too.
        place = max(0, round(len(right) * (1 - (most - 30) / 970)) - 1)
        found[most] = sum(one > right[place] for one in wrong) / len(wrong)
    return found


def scale(cases: Cases, count: int) -> tuple[float, float]:
    """CPU seconds and peak MB of the process of `compare` for so many results, rows of 50 garments."""
    right = [case.evidence for case in cases.cases if case.fault is None]
    stored = [one.measurements.dumps() for one in right if one.measurements is not None]

    def run() -> Iterator[Evidence]:
        for n in range(count):
            one = right[n % len(right)]
            found = Measurements.loads(stored[n % len(right)])
            yield replace(one, n=n, model=f"m{n // 50}", worn=f"g{n % 50}", sha256=f"{n:064x}", measurements=found)

    models = {f"m{n}": next(iter(cases.models.values())) for n in range(count // 50 + 1)}
    before = time.process_time()
    for _ in compare(run(), models=models):
        pass
    return time.process_time() - before, peak() / 2**20


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evidence", nargs="?", type=Path, default=CASES)
    parser.add_argument("--scale", type=int, help="measure compare alone for so many results")
    parser.add_argument("--grid", nargs=2, type=int, action="append", metavar=("GARMENTS", "MODELS"), help="this only")
    parser.add_argument("--kinds", nargs="*", help="what is wrong in the results looked at; all kinds where not given")
    parser.add_argument("--tails", action="store_true", help="right results' highest scores alone, by check")
    options = parser.parse_args()
    cases = read(options.evidence)
    if options.scale:
        seconds, megabytes = scale(cases, options.scale)
        print(
            f"{options.scale:,} results: {seconds:.1f} s of CPU, records read again included; {megabytes:.0f} MB peak"
        )
        return 0
    if options.kinds is not None:
        kept = tuple(case for case in cases.cases if case.fault in (None, *options.kinds))
        cases = replace(cases, cases=kept)
    if options.tails:
        print(
            "right results in rows of 8, columns of 4: where their highest tenth begins, its mean excess, the highest"
        )
        for check, (count, start, mean, most) in tails(cases, *GRIDS[0]).items():
            print(f"  {check:18} n={count:<4} {start:.4f} {mean:.4f} {most:.4f}")
        return 0
    if not options.grid:
        _print_plain(cases)
    for garments, models in options.grid or GRIDS:
        print(f"\nrows of {garments}, columns of {models}: found at 1 % (95 % interval), area, flagged by fixed limits")
        looked = look(cases, garments, models)
        for fault, line in table(looked).items():
            print(
                f"  {fault:22} n={line['cases']:<4} {_share(line)}  {line['area']:.3f}  {line['flagged']:.2f}",
                flush=True,
            )
        if (garments, models) == GRIDS[0]:
            for faces in (True, False):
                found = {most: f"{share:.2f}" for most, share in first(looked, faces=faces).items()}
                print(f"30 wrong of 1,000, faces {'by structure' if faces else 'off'}: {found}", flush=True)
    return 0


def _print_plain(cases: Cases) -> None:
    for measure, words in PLAIN.items():
        if not all(measure in case.plain for case in cases.cases):
            continue
        print(f"\n{words}: found at 1 % (95 % interval), area")
        for fault, line in baseline(cases, measure).items():
            print(f"  {fault:22} n={line['cases']:<4} {_share(line)}  {line['area']:.3f}")


def _share(line: Mapping[str, float]) -> str:
    interval = wilson(round(line["found"] * line["cases"]), int(line["cases"]))
    return f"{line['found']:.2f} ({interval.low:.2f}–{interval.high:.2f})"


if __name__ == "__main__":
    sys.exit(main())
