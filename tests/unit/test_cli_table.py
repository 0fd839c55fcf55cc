"""`tryon new --table`: garments, types, outfits and names from a spreadsheet's columns."""

import datetime
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from PIL import Image

from tryon_cli import sheet
from tryon_cli.main import main

HEAD = ("id", "image", "type", "name", "outfit")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("models/anna.jpg", "g/shirt.png", "g/skirt.png", "g/coat.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (300, 400), "white").save(path)
    return tmp_path


def workbook(path: Path, rows: Sequence[Sequence[Any]], formats: dict[str, str] | None = None) -> Path:
    book = Workbook()
    active = book.active
    assert active is not None
    for row in rows:
        active.append(list(row))
    for cell, number_format in (formats or {}).items():
        active[cell].number_format = number_format
    book.save(path)
    return path


def made(folder: Path, text: str | bytes, *options: str, name: str = "products.csv") -> Any:
    """The manifest of a table with this content."""
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    assert main(["new", "--table", str(folder / name), "--force", *options]) == 0
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def refused(folder: Path, text: str | bytes, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What is said of a table that cannot be used; no manifest is written then."""
    table = folder / "products.csv"
    table.write_bytes(text.encode() if isinstance(text, str) else text)
    assert main(["new", "--table", str(table), *options]) == 2
    assert not (folder / "manifest.json").exists()
    return capsys.readouterr().err


def ids(manifest: Any) -> list[str]:
    return [garment["id"] for garment in manifest["garments"]]


# --- what a table becomes ---


def test_rows_become_garments_with_types_outfits_and_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = made(
        folder,
        "id,image,type,name,outfit\n"
        "00123,g/shirt.png,upper,Linen shirt,Beach look\n"
        "00124,g/skirt.png,lower,,Beach look;Office\n"
        "00125,inputs/blouse.jpg,upper,Blouse,Office\n"
        "00126,s3://catalogue/coat.jpg,full,,\n",
    )
    assert manifest["models"] == [{"id": "anna", "image": "models/anna.jpg"}]
    assert manifest["garments"] == [
        {"id": "00123", "image": "g/shirt.png", "type": "upper", "name": "Linen shirt"},
        {"id": "00124", "image": "g/skirt.png", "type": "lower"},
        {"id": "00125", "image": "inputs/blouse.jpg", "type": "upper", "name": "Blouse"},
        {"id": "00126", "image": "s3://catalogue/coat.jpg", "type": "full"},
    ]
    assert manifest["outfits"] == [
        {"id": "beach-look", "upper": "00123", "lower": "00124"},
        {"id": "office", "upper": "00125", "lower": "00124"},
    ]
    told = capsys.readouterr().out
    assert "1 model, 4 garments, 2 outfits, 6 combinations" in told
    assert "2 pictures are no file here and taken for a key or an address" in told
    assert "inputs/blouse.jpg, s3://catalogue/coat.jpg" in told


def test_rows_of_type_model_are_the_models(folder: Path) -> None:
    manifest = made(folder, "id,image,type,name\nben,models/anna.jpg,Model,Ben O.\nshirt,g/shirt.png,UPPER,\n")
    assert manifest["models"] == [{"id": "ben", "image": "models/anna.jpg", "name": "Ben O."}]
    assert manifest["garments"] == [{"id": "shirt", "image": "g/shirt.png", "type": "upper"}]


def test_a_text_that_is_no_id_becomes_one_and_stays_as_the_name(folder: Path) -> None:
    manifest = made(folder, "id,image,type\nSKU 7/Ä,g/shirt.png,upper\nABC-1,g/skirt.png,lower\n")
    assert manifest["garments"][0] == {"id": "sku-7-a", "image": "g/shirt.png", "type": "upper", "name": "SKU 7/Ä"}
    assert manifest["garments"][1] == {"id": "abc-1", "image": "g/skirt.png", "type": "lower"}


def test_without_ids_they_are_the_pictures_names(folder: Path) -> None:
    Image.new("RGB", (300, 400)).save(folder / "g" / "ワンピース.png")
    manifest = made(folder, "image,type\ng/shirt.png,upper\ng/shirt.png,upper\ng/ワンピース.png,full\n")
    assert ids(manifest) == ["shirt", "shirt-2", "row-4"]
    assert manifest["garments"][2]["name"] == "ワンピース"


def test_paths_are_as_the_manifest_s_folder_has_them(folder: Path, tmp_path: Path) -> None:
    (folder / "lists").mkdir()
    table = folder / "lists" / "products.csv"
    table.write_text("id,image,type\na,../g/shirt.png,upper\nb,g\\skirt.png,lower\n")
    assert main(["new", str(folder), "--table", str(table), "--out", str(folder / "lists" / "m.json")]) == 0
    manifest = json.loads((folder / "lists" / "m.json").read_text())
    assert [g["image"] for g in manifest["garments"]] == ["../g/shirt.png", "../g/skirt.png"]


def test_other_columns_are_named_and_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(folder, "id,Price,image,type,Season\na,9,g/shirt.png,upper,spring\n")
    assert "columns left out: 'Price', 'Season'" in capsys.readouterr().out


def test_another_heading_may_stand_for_a_column(folder: Path) -> None:
    text = "Artikel;Bild Datei;Art\n7;g/shirt.png;upper\n"
    options = ("--column", "id=Artikel", "--column", "image=bild  datei", "--column", "type=Art")
    assert made(folder, text, *options)["garments"] == [{"id": "7", "image": "g/shirt.png", "type": "upper"}]


def test_a_service_that_wears_no_outfits_is_told_by_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "id,image,type,outfit\na,g/shirt.png,upper,o\nb,g/skirt.png,lower,o\n"
    told = refused(folder, text, capsys, "--service", "fashn")
    assert "row 2, column D (outfit): fashn wears one garment at a time" in told


def test_two_garments_of_one_picture_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(folder, "id,image,type\na-s,g/shirt.png,upper\na-m,g/shirt.png,upper\n")
    assert "1 garment has the picture of another one: each is made and paid for" in capsys.readouterr().out


# --- files as programs write them ---

PLAIN = "ID,Image,TYPE,Name\n00123,g/shirt.png,upper,Hemd für Ärmel\n1E5,g/skirt.png,lower,\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace(",", ";").encode("cp1252"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.replace(",", "\t").encode("utf-16-le"),
        ("sep=;\r\n" + PLAIN.replace(",", ";")).replace("\n", "\r\n").encode("utf-8-sig"),
        ("\n,,,\n" + PLAIN).encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace("00123", '"\'00123"').replace("upper", '" upper\n"').encode(),
        PLAIN.replace(",", "|").encode(),
    ],
    ids=["utf-8", "bom", "latin-1", "utf-16", "utf-16 without bom", "sep", "empty rows", "old mac", "quoted", "bars"],
)
def test_a_csv_file_is_read_as_a_spreadsheet_saved_it(data: bytes, folder: Path) -> None:
    manifest = made(folder, data)
    assert ids(manifest) == ["00123", "1e5"]
    assert manifest["garments"][0]["name"] == "Hemd für Ärmel"
    assert manifest["garments"][1] == {"id": "1e5", "image": "g/skirt.png", "type": "lower"}


def test_an_encoding_that_is_guessed_is_told_and_may_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(folder, PLAIN.encode("cp1252"))
    assert "was read as Windows-1252; --encoding names another" in capsys.readouterr().out
    text = "id,image,type,name\na,g/shirt.png,upper,春季外套\n".encode("gbk")
    assert made(folder, text, "--encoding", "gbk")["garments"][0]["name"] == "春季外套"
    assert "Windows" not in capsys.readouterr().out
    assert main(["new", "--table", str(folder / "products.csv"), "--encoding", "utf-9"]) == 2
    assert "'utf-9' is no encoding" in capsys.readouterr().err


def test_a_text_may_hold_line_breaks_and_delimiters(folder: Path) -> None:
    manifest = made(folder, 'image,type,name\ng/shirt.png,upper,"Shirt,\nlinen; ""light"""\n')
    assert manifest["garments"][0]["name"] == 'Shirt, linen; "light"'


# --- .xlsx ---


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (123, "00000", "00123"),
        (123, "General", "123"),
        ("00123", "General", "00123"),
        ("1E5", "@", "1e5"),
        (100000, "General", "100000"),
        (4006381333931, "General", "4006381333931"),
        (4006381333931, "0", "4006381333931"),
        (123456789, "000\\-00\\-0000", "123-45-6789"),
        (7, '"SKU-"000', "sku-007"),
        (7, "[Red]000;[Blue]-000", "007"),
        (1.5, "0.00", "1-50"),
        (1234567.891, "#,##0.0#", "1-234-567-89"),
        (datetime.date(2024, 1, 1), "mmm-yy", "jan-24"),
        (datetime.date(2024, 1, 9), "mm-yyyy", "01-2024"),
        (datetime.date(2024, 1, 9), "yyyy-mm-dd", "2024-01-09"),
    ],
)
def test_an_id_is_what_the_sheet_shows(value: object, number_format: str, shown: str, folder: Path) -> None:
    table = workbook(folder / "t.xlsx", [HEAD[:3], (value, "g/shirt.png", "upper")], {"A2": number_format})
    assert ids(made(folder, table.read_bytes(), name="t.xlsx")) == [shown]


@pytest.mark.parametrize(
    ("value", "number_format", "why"),
    [
        (100000, "0.00E+00", "is shown with an exponent"),
        (7392616336519610409, "General", "more digits than the 15"),
        (datetime.date(2024, 1, 9), "mm-dd-yy", "a date that each computer shows as its region says"),
        (0.5, "# ?/?", "has the format '# ?/?', which is not read here"),
        ('=A1&""', "General", "a formula whose value the file does not have"),
    ],
)
def test_an_id_that_is_not_shown_as_it_was_typed_is_refused(
    value: object, number_format: str, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = workbook(folder / "t.xlsx", [HEAD[:3], (), (value, "g/shirt.png", "upper")], {"A3": number_format})
    told = refused(folder, table.read_bytes(), capsys)
    assert "row 3, column A (id): " in told
    assert why in told


def test_a_number_that_a_csv_file_has_shortened_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(folder, "id,image,type\n4.00638E+12,g/shirt.png,upper\n", capsys)
    assert "row 2, column A (id): '4.00638E+12' is a number that a spreadsheet has shortened" in told


def test_one_of_several_sheets_is_read_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.title, book.active.sheet_state = "Lists", "hidden"
    for title, garment in (("Spring", "a"), ("Autumn", "b")):
        one = book.create_sheet(title)
        one.append(HEAD[:3])
        one.append((garment, "g/shirt.png", "upper"))
    book.save(folder / "t.xlsx")
    data = (folder / "t.xlsx").read_bytes()
    assert ids(made(folder, data, name="t.xlsx")) == ["a"]
    assert "has 3 sheets: 'Spring' was read; --sheet names another" in capsys.readouterr().out
    assert ids(made(folder, data, "--sheet", "Autumn", name="t.xlsx")) == ["b"]
    assert main(["new", "--table", str(folder / "t.xlsx"), "--sheet", "Winter"]) == 2
    assert "has no sheet 'Winter'; it has Lists, Spring, Autumn" in capsys.readouterr().err


def test_what_a_file_says_of_its_own_size_is_not_believed(folder: Path) -> None:
    table = workbook(folder / "t.xlsx", [HEAD[:3], ("a", "g/shirt.png", "upper"), ("b", "g/skirt.png", "lower")])
    _changed(table, b'<dimension ref="A1:C3"', b'<dimension ref="A1:A1"')
    assert ids(made(folder, table.read_bytes(), name="t.xlsx")) == ["a", "b"]


def _changed(path: Path, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert any(old in data for data in parts.values())
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data.replace(old, new))


def test_a_formula_with_an_empty_value_is_an_empty_cell(folder: Path) -> None:
    table = workbook(folder / "t.xlsx", [HEAD[:4], ("a", "g/shirt.png", "upper", '=IF(A2="","x","")')])
    _changed(table, b'<c r="D2"><f>', b'<c r="D2" t="str"><f>')
    assert made(folder, table.read_bytes(), name="t.xlsx")["garments"][0].keys() == {"id", "image", "type"}


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/media/image1.png"])
def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(
    part: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = workbook(folder / "t.xlsx", [HEAD[:3], ("a", "g/shirt.png", "upper")])
    bomb = io.BytesIO()
    with zipfile.ZipFile(table) as archive, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as larger:
        for name in archive.namelist():
            if name != part:
                larger.writestr(name, archive.read(name))
        with larger.open(part, "w") as file:
            for _ in range(sheet.MAX_INFLATED // 1_000_000 + 1):
                file.write(b" " * 1_000_000)
    assert len(bomb.getvalue()) < 1_000_000
    told = refused(folder, bomb.getvalue(), capsys)
    assert f"unpacks to {sheet.MAX_INFLATED // 1_000_000 + 1}," in told
    assert f"at most {sheet.MAX_INFLATED:,} are read" in told


def test_an_archive_that_understates_what_it_unpacks_to_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = workbook(folder / "t.xlsx", [HEAD[:3], *((f"a{i}", "g/shirt.png", "upper") for i in range(2000))])
    data = bytearray(table.read_bytes())
    with zipfile.ZipFile(table) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size.to_bytes(4, "little")
    at = -1
    while (at := data.find(size, at + 1)) >= 0:
        data[at : at + 4] = (4000).to_bytes(4, "little")
    assert "cannot be read as an .xlsx file" in refused(folder, bytes(data), capsys)


def test_entities_that_multiply_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = workbook(folder / "t.xlsx", [HEAD[:3], ("a", "g/shirt.png", "upper")])
    entities = b"".join(b'<!ENTITY e%d "%s">' % (i, b"&e%d;" % (i - 1) * 20) for i in range(1, 10))
    doctype = b'<!DOCTYPE worksheet [<!ENTITY e0 "0123456789">' + entities + b"]>"
    _changed(table, b"<worksheet", doctype + b"<worksheet")
    _changed(table, b"<sheetData>", b"<sheetData><row><c t='inlineStr'><is><t>&e9;</t></is></c></row>")
    assert "cannot be read as an .xlsx file" in refused(folder, table.read_bytes(), capsys)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an old .xls file or has a password"),
        (b"PK\x03\x04" + bytes(600), "cannot be read as an .xlsx file"),
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b'id,image,type\na,"g/shirt.png,upper\n', "row 2 is not CSV"),
        (b"id,image,type\na\x81,g/shirt.png,upper\n", "is neither UTF-8 nor Windows-1252 text (line 2)"),
    ],
    ids=["xls", "damaged", "nothing", "blank", "quote", "bytes"],
)
def test_a_file_that_is_no_table_is_refused(
    data: bytes, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert why in refused(folder, data, capsys)


def test_an_open_document_is_refused_by_its_kind(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    assert "is no .xlsx file: save it as .xlsx or CSV" in refused(folder, data.getvalue(), capsys)


def test_an_error_of_a_formula_is_no_id(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = workbook(folder / "t.xlsx", [HEAD[:3], ("a", "g/shirt.png", "upper")])
    book = load_workbook(table)
    assert book.active is not None
    book.active["A2"] = "#N/A"
    book.save(table)
    assert "row 2, column A (id): holds the error #N/A" in refused(folder, table.read_bytes(), capsys)


# --- what is wrong with a table ---


def test_all_that_is_wrong_is_told_at_once_by_row_and_column(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "g" / "old.tiff").write_bytes(b"II*\x00" + bytes(100))
    told = refused(
        folder,
        "id;image;type;name;outfit\n"
        "a;g/shirt.png;uper;;\n"
        "\n"
        "a;;upper;;\n"
        "b;g/old.tiff;lower;;\n"
        "B;https://shop.example/x.jpg;lower;;\n"
        "春;../nowhere.jpg;full;;x\n"
        "c;g/shirt.png;upper;" + "n" * 81 + ";\n"
        "d;g/shirt.png;upper;;Alone\n"
        "e;g/shirt.png;upper;;;more\n",
        capsys,
    )
    lines = [line.strip() for line in told.splitlines()]
    for line in (
        "row 2, column C (type): 'uper' is not upper, lower, full or model; did you mean 'upper'?",
        "row 4, column A (id): 'a' is the id of row 2 already",
        "row 4, column B (image): is empty: a file's path, a key in the bucket or an s3:// address is needed",
        f"row 5, column B (image): {folder / 'g' / 'old.tiff'} is not a JPEG, PNG, WebP, HEIC or AVIF picture: it looks "  # noqa: E501
        "like a TIFF or camera raw file",
        "row 6, column A (id): 'B' becomes 'b', which is the id of row 5 already",
        "row 6, column B (image): 'https://shop.example/x.jpg' is an address on the web: save the picture as a file",
        "row 7, column A (id): '春' has no letter or digit that an id can have: leave it empty, and put it into a "
        "column 'name'",
        "row 7, column E (outfit): a row of type full is in no outfit: one is an upper and a lower garment",
        "row 9, column E (outfit): 'Alone' has no lower garment: another row must name it",
        "row 10: has more cells than there are headings (F): does a text need quotes?",
    ):
        assert line in lines, told
    assert any(line.startswith("row 7, column B (image): '../nowhere.jpg' is no file here") for line in lines)
    assert any(line.startswith("row 8, column D (name): ") for line in lines)


def test_one_mistake_is_told_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An outfit lacks nothing whose other garment is in a row that is refused."""
    text = "id,image,type,outfit\na,g/shirt.png,uper,x\nb,g/skirt.png,lower,x\n"
    told = refused(folder, text, capsys)
    assert "row 2, column C (type)" in told
    assert "outfit" not in told


def test_of_many_mistakes_the_first_are_told_and_the_rest_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(folder, "id,image,type\n" + "x,,top\n" * 1000, capsys)
    assert told.count("\n") <= 23
    assert "row 2, column B (image)" in told
    assert "and 2,980 more problems" in told


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("id,imge,type", "has no column 'image'; did you mean 'imge'?"),
        ("id,image,type,Image", "has 2 columns 'image'"),
        ("sku,file", "has no column 'image'; has no column 'type'"),
    ],
)
def test_a_column_that_is_missing_or_there_twice_is_told_with_all_headings(
    head: str, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(folder, f"\n{head}\na,b,c,d\n", capsys)
    assert why in told
    assert "Row 2, the first that is not empty, has the headings: " in told


def test_a_table_without_models_names_both_places(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "models" / "anna.jpg").unlink()
    told = refused(folder, "image,type\ng/shirt.png,upper\n", capsys)
    assert f"has no row of type model, and {folder} has no pictures in models/" in told


def test_options_of_a_table_need_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(folder), "--encoding", "gbk"]) == 2
    assert "--encoding is for --table" in capsys.readouterr().err
    assert main(["new"]) == 2
    assert "name a folder of pictures, or a spreadsheet with --table" in capsys.readouterr().err


def test_more_rows_than_a_manifest_s_list_may_have_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "MAX_ENTRIES", 50)
    rows = [HEAD[:3], *((f"g{i}", f"inputs/{i}.jpg", "upper") for i in range(51))]
    assert "has more than 50 rows" in refused(folder, "\n".join(map(",".join, rows)), capsys)
    assert "has more than 50 rows" in refused(folder, workbook(folder / "t.xlsx", rows).read_bytes(), capsys)
    assert len(ids(made(folder, "\n".join(map(",".join, rows[:-1]))))) == 50
    assert len(ids(made(folder, workbook(folder / "t.xlsx", rows[:-1]).read_bytes()))) == 50
