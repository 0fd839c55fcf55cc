"""CSV files that spreadsheets leave alone, and reviews that spreadsheets saved."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import table_of
from tryon.reporting.spreadsheet import decoded, marked, truth, unmarked, whole
from tryon.reporting.summary import table
from tryon.state.entry import Entry, Status
from tryon_cli.comparison import compare
from tryon_cli.review import COLUMNS, ExportError, Review, read_export

CHANGED = (
    *("007", "2024", "7392616336519610409", "1e5", "12-5", "3-4-5", "5.10", "10:30", "50%", "1,000", "٣٤"),
    *("01-2024", "jan-24", "01-mai", "3-ago", "mar-1", "2-okt-2024", "1h", "10 pm", "true", "WAHR", "falso", "nan"),
    *("=1+1", " =1+1", "+49", "-Max", "@SUM(1)", "\uff1d1", "\t1", "\n", "'tis", "null"),
)
LEFT_ALONE = ("", "anna", "linen-shirt", "01-linen-shirt", "anna__01-linen-shirt__default", "jan", "InputRefusedError")


@pytest.mark.parametrize("text", CHANGED)
def test_text_that_a_spreadsheet_reads_as_something_else_is_marked(text: str) -> None:
    assert marked(text) == "'" + text


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert marked(text) == text


@given(st.text(max_size=30))
def test_a_mark_comes_off_again(text: str) -> None:
    assert unmarked(marked(text)) == text


def test_the_table_keeps_article_numbers_and_long_task_ids() -> None:
    entry = Entry(
        n=1, id="0815__02-1999__b", model="0815", worn="02-1999", variant="1e3", status=Status.FAILED,
        task_id="7392616336519610409", refused_tasks=("739", "740"), error="E", cause="图片审核未通过",
        submitted_at=12.5,
    )  # fmt: skip
    (row,) = csv.DictReader(io.StringIO(table_of([entry])))
    assert (row["model"], row["worn"], row["variant"]) == ("'0815", "'02-1999", "'1e3")
    assert (row["task_id"], row["refused_tasks"]) == ("'7392616336519610409", "'739 740")
    assert (row["n"], row["submitted_at"], row["cause"]) == ("1", "12.5", "图片审核未通过")


def test_the_table_begins_with_a_byte_order_mark() -> None:
    out = io.StringIO()
    assert list(table([], out)) == []
    assert out.getvalue().startswith("\ufeffn,id,")


# --- reviews ---

HEAD = ",".join(COLUMNS)


def review_json(*worn: str, model: str = "007", who: str = "Lin", run_id: str = "run-1") -> Review:
    lines = [
        {"model": model, "worn": one, "type": "upper", "shown": ["b", "a"], "preferred": "a", "blind": True, "at": ""}
        for one in worn
    ]
    content = {"format": "tryon-review", "version": 1, "run_id": run_id, "review": who, "reviewer": who}
    return read_export(json.dumps(content | {"preferences": lines, "ratings": []}).encode(), f"{who}.json")


def row(**cells: Any) -> str:
    plain = {
        "run_id": "run-1", "review": "Mo", "reviewer": "Mo", "model": "anna", "worn": "01-shirt", "type": "upper",
        "preferred": "a", "shown": "b a", "blind": "TRUE",
    }  # fmt: skip
    return ",".join(str((plain | cells).get(column, "")) for column in COLUMNS)


def review_csv(*rows: str) -> Review:
    return read_export("\r\n".join((HEAD, *rows)).encode(), "mo.csv")


@pytest.mark.parametrize("change", ["7", "07", "42"])
def test_an_id_that_lost_its_zeros_is_refused_by_name(change: str) -> None:
    with pytest.raises(ExportError, match=f"mo.csv: line 2, column 'model': '{change}' is in no other file of run run"):
        compare([review_json("01-shirt"), review_csv(row(model=change))])


def test_the_error_says_which_id_it_was() -> None:
    with pytest.raises(ExportError, match=r"line 3, column 'model': '7' .*; was it '007'\?"):
        compare([review_json("01-shirt"), review_csv(row(model="007"), row(model="7"))])


@pytest.mark.parametrize("change", ["Jan-24", "01.01.2024", "7.39E+18", "January 2024", "TRUE", "2024-01-01 00:00"])
def test_a_cell_that_is_no_id_is_refused_in_a_single_file_too(change: str) -> None:
    with pytest.raises(ExportError, match=r"mo.csv: line 2, column 'worn': '.*' is not the id of a garment"):
        review_csv(row(worn=change))


def test_a_mark_shows_that_nothing_was_changed() -> None:
    found = compare([review_json("01-shirt"), review_csv(row(model="'007", worn="'02-2024"))])
    assert found.combinations == 2


def test_an_unmarked_id_that_another_file_knows_is_the_same() -> None:
    assert compare([review_json("01-2024"), review_csv(row(model="007", worn="01-2024"))]).combinations == 1


def test_files_of_other_runs_confirm_nothing_and_refuse_nothing() -> None:
    assert compare([review_json("01-2024", run_id="run-2"), review_csv(row(model="7"))]).combinations == 2


def test_a_variant_that_lost_its_zeros_is_refused_too() -> None:
    rated = row(preferred="", shown="", variant="7", stars="4")
    known = row(preferred="007", shown="007 008", review="Lin", reviewer="Lin")
    with pytest.raises(ExportError, match=r"mo.csv: line 2, column 'variant': '7' .* was it '007'\?"):
        compare([read_export(f"{HEAD}\n{known}\n".encode(), "lin.csv"), review_csv(rated)])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("begin", ["", "sep=X\r\n", "\r\n"])
def test_what_spreadsheets_save_is_read(delimiter: str, encoding: str, begin: str) -> None:
    lines = [HEAD, row(reviewer="Zoë"), row(worn="02-b", blind="", preferred="'=", reviewer="Zoë"), "," * 11, ""]
    text = "\r\n".join(lines).replace(",", delimiter)
    found = read_export((begin.replace("X", delimiter) + text).encode(encoding), "zoe.csv")
    assert found.reviewer == "Zoë"
    assert [(line.worn, line.preferred, line.blind) for line in found.preferences] == [
        ("01-shirt", "a", True),
        ("02-b", None, False),
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [("TRUE", True), ("WAHR", True), ("vrai", True), ("1", True), ("FALSCH", False), ("faux", False), ("maybe", None)],
)
def test_truth_is_read_in_the_languages_of_spreadsheets(cell: str, value: bool | None) -> None:
    assert truth(cell) is value


def test_stars_are_whole_numbers_however_they_are_written() -> None:
    assert [whole(cell) for cell in ("4", "4,0", "4.00", "'4", "4,5", "four", "")] == [4, 4, 4, 4, None, None, None]
    with pytest.raises(ExportError, match=r"mo.csv: line 2, column 'stars': '4;5' is not a whole number"):
        review_csv(row(preferred="", shown="", variant="a", stars="4;5"))


def test_a_truth_value_or_time_that_cannot_be_read_names_its_cell() -> None:
    with pytest.raises(ExportError, match="line 3, column 'blind': 'perhaps' is neither true nor false"):
        review_csv(row(), row(blind="perhaps"))
    with pytest.raises(ExportError, match=r"line 2, column 'at': '23.11.2026 09:58' is not a time"):
        review_csv(row(at="23.11.2026 09:58"))


def test_another_code_page_is_refused_with_what_to_do() -> None:
    with pytest.raises(ExportError, match=r"is not UTF-8 text .* 'CSV UTF-8'"):
        read_export(f"{HEAD}\n{row(reviewer='Jürgen')}\n".encode("cp1252"), "mo.csv")


def test_bytes_of_two_encodings_are_told_apart() -> None:
    assert [decoded("é1".encode(name)) for name in ("utf-8", "utf-8-sig", "utf-16")] == ["é1"] * 3
