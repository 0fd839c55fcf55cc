"""`tryon pick`: the full-size files of what reviewers chose, under readable names."""

import argparse
import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rich.console import Console

from tryon.planning.manifest import DEFAULT_VARIANT, Manifest, ManifestError, read_again
from tryon.reporting import spreadsheet
from tryon.state.run import Run
from tryon.stored import Stored
from tryon_cli.family import SENT, Family, family_of, read_reviews
from tryon_cli.options import counted, json_option, print_json, stack_options, target
from tryon_cli.review import ExportError, Opinion, Picture, Verdict, opinions
from tryon_cli.saving import MAX_NAME_BYTES, RESERVED
from tryon_cli.target import Target

LIST = "chosen.csv"
"""The list of the files, with who they show and whose choice they are."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `pick`."""
    parser = commands.add_parser(
        "pick",
        help="save the full-size files that reviewers chose",
        description="Save the full-size file of each picture that the reviews approve: picked, or four stars and more, "
        f"by more reviewers than reject it. Files have readable names, {LIST} lists them. Reviews of several runs are "
        "read together.",
        epilog="exit codes: 0 every chosen picture was saved, 1 some are not there any more, 2 a file is no review",
    )
    parser.add_argument(
        "reviews", nargs="+", metavar="REVIEW", help=f"an exported review; {SENT!r} for those that shared pages sent"
    )
    parser.add_argument("--save", type=Path, required=True, metavar="DIR", help="the folder for the files")
    parser.add_argument("--run", metavar="RUN", help=f"the run whose reviews {SENT!r} means")
    json_option(parser)
    stack_options(parser)
    parser.set_defaults(command=run)


@dataclass(frozen=True)
class Chosen:
    """A chosen picture: its file's name, its run, what is stored and what was said of it; `stored` None: it is gone."""

    file: str
    run_id: str
    picture: Picture
    stored: Stored | None
    opinion: Opinion


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Save what was chosen, and say what was not."""
    errors = Console(stderr=True)
    try:
        found = target(arguments)
        by_run = read_reviews(found, arguments.reviews, arguments.run)
    except ExportError as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    names = Names(arguments.save)
    chosen: list[Chosen] = []
    disputed = 0
    for run_id, reviews in by_run.items():
        family, said = family_of(found, run_id), opinions(reviews)
        disputed += sum(opinion.verdict is Verdict.DISPUTED for opinion in said.values())
        chosen += _chosen(found, family, said, names)
    arguments.save.mkdir(parents=True, exist_ok=True)
    gone = [one for one in chosen if one.stored is None or not _save(found, one.stored, arguments.save / one.file)]
    saved = [one for one in chosen if one not in gone]
    table = _table(saved).encode()
    listed = Names(arguments.save).free(LIST.removesuffix(".csv"), ".csv", hashlib.sha256(table).hexdigest())
    (arguments.save / listed).write_bytes(table)
    for one in gone:
        errors.print(f"not there any more: {one.picture}", markup=False, highlight=False, soft_wrap=True)
    if arguments.json:
        files = [{"file": one.file, "key": one.stored.key} for one in saved if one.stored]
        print_json(console, {"saved": files, "list": listed, "gone": len(gone), "disputed": disputed})
    else:
        beside = "" if listed == LIST else f", listed in {listed} beside what was there"
        text = f"{counted(len(saved), 'picture')} saved to {arguments.save}{beside}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        if disputed:
            console.print(f"{counted(disputed, 'picture')} left out: reviewers differ", highlight=False)
    return 1 if gone else 0


def _chosen(found: Target, family: Family, said: Mapping[Picture, Opinion], names: "Names") -> list[Chosen]:
    shown = display_names(found, family.first)
    chosen = []
    for picture, opinion in sorted(said.items()):
        if opinion.verdict is not Verdict.APPROVED:
            continue
        stored = family.result(picture)
        ending = PurePosixPath(stored.key).suffix if stored else ""
        file = names.free(words_of(picture, shown), ending, stored.sha256) if stored else ""
        chosen.append(Chosen(file, family.first.run_id, picture, stored, opinion))
    return chosen


def words_of(picture: Picture, shown: Mapping[tuple[str, str], str]) -> str:
    """What a picture is of, in the words that people use: garment, model, and the variant where there is one."""
    worn = picture.worn.partition("-")[2]
    parts = [shown.get(("worn", worn), worn), shown.get(("model", picture.model), picture.model)]
    if picture.variant != DEFAULT_VARIANT:
        parts.append(picture.variant)
    return " - ".join(parts)


def display_names(found: Target, first: Run) -> dict[tuple[str, str], str]:
    """What people call models, garments and outfits, where the run's manifest says it."""
    try:
        manifest: Manifest = read_again(found.s3, first.bucket, first.manifest_key, first.manifest_version)
    except ManifestError:
        return {}
    named = [("model", one.id, one.name) for one in manifest.models]
    named += [("worn", one.id, one.name) for one in manifest.garments]
    named += [("worn", one.id, one.name) for one in manifest.outfits]
    return {(kind, id_): name for kind, id_, name in named if name}


class Names:
    """Names for files that every system takes, no two alike, and none that another file of the folder has."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def free(self, words: str, ending: str, sha256: str = "") -> str:
        """A name made of the words, with a number where a file with another content has it."""
        plain = re.sub(r'[\x00-\x1f\x7f\\/:*?"<>|]', "_", unicodedata.normalize("NFC", words)).strip(" .") or "picture"
        if plain.partition(".")[0].strip().casefold() in RESERVED:
            plain = f"_{plain}"
        n = 1
        while True:
            tail = ("" if n == 1 else f" ({n})") + ending
            room = MAX_NAME_BYTES - len(tail.encode())
            name = plain.encode()[:room].decode(errors="ignore").rstrip(" .") + tail
            if name.casefold() not in self._taken and not self._is_another(name, sha256):
                self._taken.add(name.casefold())
                return name
            n += 1

    def _is_another(self, name: str, sha256: str) -> bool:
        """Whether the folder has a file of this name that holds something else: what another reviewer chose."""
        if self._folder is None or not (path := self._folder / name).exists():
            return False
        return not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256


def _save(found: Target, stored: Stored, path: Path) -> bool:
    """Whether the file is there and is what was stored."""
    try:
        data = found.s3.get_object(Bucket=found.bucket, Key=stored.key)["Body"].read()
    except found.s3.exceptions.NoSuchKey:
        return False
    if hashlib.sha256(data).hexdigest() != stored.sha256:
        return False
    path.write_bytes(data)
    return True


_COLUMNS = ("file", "run_id", "model", "worn", "variant", "take", "candidate", "approved", "rejected", "notes", "key")


def _table(saved: list[Chosen]) -> str:
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for one in saved:
        picture, key = one.picture, one.stored.key if one.stored else ""
        texts = [one.file, one.run_id, picture.model, picture.worn, picture.variant]
        counts = [picture.take, picture.candidate, one.opinion.approved, one.opinion.rejected]
        words = ["; ".join(one.opinion.notes), key]
        writer.writerow([*map(spreadsheet.marked, texts), *counts, *map(spreadsheet.marked, words)])
    return out.getvalue()
