"""The pages' scripts and styles: how their files become one, and what the parts that Python reads again do."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_spreadsheet import CHANGED, LEFT_ALONE
from tryon import web
from tryon.reporting import spreadsheet
from tryon.reporting.gallery.render import _STYLES as GALLERY_STYLES
from tryon.reporting.spreadsheet import marked
from tryon_cli.comparison import compare
from tryon_cli.review import REASONS, read_export
from tryon_local.console.server import _STYLES as CONSOLE_STYLES

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SHARED = ROOT / "layers" / "tryon" / "tryon" / "web"
PACKAGES = {
    "tryon.reporting.gallery": ROOT / "layers" / "tryon" / "tryon" / "reporting" / "gallery" / "page",
    "tryon_local.console": ROOT / "src" / "tryon_local" / "console" / "page",
}
STYLES = {"tryon.reporting.gallery": GALLERY_STYLES, "tryon_local.console": CONSOLE_STYLES}
IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";$', re.MULTILINE)
DEFINED = re.compile(r"^(?:async )?(?:function|const|let) (?:\{([^}]*)\}|(\w+))", re.MULTILINE)


def node() -> str:
    found = shutil.which("node")
    if found is None:
        reason = "there is no node on this machine: apt-get install nodejs"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def files(package: str) -> list[Path]:
    return [*sorted(PACKAGES[package].glob("*.mjs")), *sorted(SHARED.glob("*.mjs"))]


def defined(text: str) -> list[str]:
    """The names that a file defines at its top: what stands at a line's beginning."""
    found = DEFINED.findall(text.replace("export ", ""))
    return [name.strip() for group, one in found for name in (group.split(",") if group else [one])]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_names_a_file_and_what_that_file_exports(package: str) -> None:
    for file in files(package):
        for names, target in IMPORT.findall(file.read_text("utf-8")):
            source = (file.parent / target).resolve()
            assert source in files(package), f"{file.name} imports {target}"
            exported = re.findall(r"^export (.*)", source.read_text("utf-8"), re.MULTILINE)
            known = defined("\n".join(exported))
            for name in filter(None, (name.strip() for name in names.split(","))):
                assert name in known, f"{file.name} imports {name}, which {target} does not export"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_is_defined_twice_in_a_page(package: str) -> None:
    names = [name for file in files(package) for name in defined(file.read_text("utf-8"))]
    assert len(names) > 50
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_page_is_put_together_from_all_its_files(package: str) -> None:
    script = web.script(package)
    for file in files(package):
        for name in defined(file.read_text("utf-8")):
            assert re.search(rf"\b{name}\b", script), f"{file.name} is not part of the page"
    style = web.style(package, *STYLES[package])
    assert sorted(STYLES[package]) == sorted(file.stem for file in PACKAGES[package].glob("*.css"))
    assert "--paper:" in style


@pytest.mark.parametrize("package", PACKAGES)
def test_no_text_goes_over_a_lines_end(package: str) -> None:
    """Indentation is taken away where files are put together: within a text it would be part of it."""
    for file in files(package):
        for line in file.read_text("utf-8").splitlines():
            assert line.count("`") % 2 == 0, f"{file.name}: {line}"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_one_script_is_read_by_node(package: str, tmp_path: Path) -> None:
    script = tmp_path / "page.js"
    script.write_text(web.script(package), "utf-8")
    checked = subprocess.run([node(), "--check", script], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_logic_passes_its_tests_under_node() -> None:
    ran = subprocess.run(
        [node(), "--test", *sorted(map(str, HERE.glob("*.test.mjs")))],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^. pass [1-9]", ran.stdout, re.MULTILINE)


def test_the_gallery_marks_the_same_text_as_python() -> None:
    cells = [*CHANGED, *LEFT_ALONE, *spreadsheet._VALUES]
    source = (PACKAGES["tryon.reporting.gallery"] / "spreadsheet.mjs").as_uri()
    script = (
        f"import {{ marked }} from {json.dumps(source)};"
        f"console.log(JSON.stringify({json.dumps(cells)}.map((text) => marked(text))));"
    )
    command = [node(), "--input-type=module", "-e", script]
    told = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert json.loads(told.stdout) == [marked(cell) for cell in cells]


def test_the_page_and_the_command_know_the_same_reasons() -> None:
    text = (PACKAGES["tryon.reporting.gallery"] / "marks.mjs").read_text("utf-8")
    assert tuple(re.findall(r'\{ id: "(\w+)"', text)) == REASONS


def test_the_page_judges_as_the_command_does() -> None:
    """The same table of reviews gives the same numbers in the browser and in `tryon compare`."""
    throw = random.Random(7)

    def review(who: str, pairs: int, variants: list[str]) -> dict[str, Any]:
        lines = []
        for n in range(pairs):
            shown = throw.sample(variants, len(variants))
            preferred = throw.choice([*variants, variants[0], None])
            lines.append(
                {
                    "model": f"m{n % 3}", "worn": f"{n:02d}-g", "type": ["upper", "lower"][n % 2], "shown": shown,
                    "preferred": preferred, "both_bad": preferred is None and n % 2 == 0, "repeat": n % 9 == 8,
                    "blind": n % 4 > 0, "at": f"2026-11-23T09:{n % 60:02d}:00.000Z",
                }
            )  # fmt: skip
            if n % 9 == 8:
                lines.append(lines[-1] | {"repeat": False, "preferred": throw.choice(variants), "both_bad": False})
        whole = {"format": "tryon-review", "version": 2, "run_id": "run-1", "review": f"r{who}", "reviewer": who}
        return whole | {"preferences": lines, "ratings": [], "marks": []}

    cases = [
        [],
        [review("Lin", 1, ["a", "b"])],
        [review("Lin", 40, ["a", "b"]), review("", 30, ["a", "b"])],
        [review(who, 60, ["a", "b", "c"]) for who in ("Lin", "Mo", "lin ")],
        [review(str(who), 300, ["a", "b", "c", "d"]) for who in range(5)],
        [review("Lin", 3000, ["a", "b"])],
    ]
    source = (PACKAGES["tryon.reporting.gallery"] / "verdict.mjs").as_uri()
    script = f"import {{ verdictOf }} from {json.dumps(source)}; let text = ''; "
    script += "for await (const piece of process.stdin) text += piece; "
    script += "console.log(JSON.stringify(JSON.parse(text).map(verdictOf)));"
    command = [node(), "--input-type=module", "-e", script]
    told = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=True).stdout
    for case, found in zip(cases, json.loads(told), strict=True):
        known = compare([read_export(json.dumps(one).encode(), "x.json") for one in case])
        assert found["variants"] == [*known.variants]
        assert found["winner"] == known.winner
        assert (found["combinations"], found["reviewers"]) == (known.combinations, known.reviewers)
        assert (found["bothBad"], tuple(found["steady"])) == (known.both_bad, known.steady)
        first = known.first_shown
        assert found["firstShown"] == [first.wins, first.losses, first.ties]
        assert found["agreement"] == (None if known.agreement is None else pytest.approx(known.agreement))
        assert len(found["duels"]) == len(known.duels)
        for page, command_ in zip(found["duels"], known.duels, strict=True):
            assert (page["first"], page["second"], page["winner"]) == (
                command_.first,
                command_.second,
                command_.winner,
            )
            assert page["adjusted"] == pytest.approx(command_.p_value, rel=1e-9, abs=1e-300)
            for shown, tally in [
                (page, command_.tally),
                (page["votes"], command_.votes),
                *((page["types"][type_], tally) for type_, tally in command_.by_type.items()),
            ]:
                assert (shown["wins"], shown["losses"], shown["ties"]) == (tally.wins, tally.losses, tally.ties)
                assert shown["interval"] == (None if tally.interval is None else pytest.approx([*tally.interval]))
                assert shown["p"] == pytest.approx(tally.p_value, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('import { a } from "./missing.mjs";\n', "missing"),
        ('import { a } from "../other/a.mjs";\n', "neither beside it"),
        ('import a from "./a.mjs";\n', "cannot be put together"),
        ("export default 1;\n", "cannot be put together"),
    ],
)
def test_a_file_in_another_form_is_refused(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "a_page_of_its_own"
    (package / "page").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "page" / "main.mjs").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    web.script.cache_clear()
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        web.script(package.name)
    sys.modules.pop(package.name, None)


def test_the_lock_of_the_tools_names_no_place_to_load_them_from() -> None:
    lock = json.loads((ROOT / "lint" / "package-lock.json").read_text())
    assert lock["packages"]
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or "integrity" in package, name
