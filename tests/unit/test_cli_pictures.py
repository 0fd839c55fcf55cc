"""Which files of this machine go up for a manifest, under which keys, and what is said of the others."""

import hashlib
import json
import os
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image
from rich.console import Console

import tryon_cli.options
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tryon.planning.manifest import ManifestError
from tryon_cli import drop as dropping
from tryon_cli.drop import Draft, check, drop, look, read, upload
from tryon_cli.main import main
from tryon_cli.pictures import MAX_KEY_BYTES, LocalPicture, cleaned, key_of, nearest
from tryon_cli.run import bring
from tryon_cli.target import TargetError


def jpeg(colour: str = "white", size: tuple[int, int] = (300, 400)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()


def lay(root: Path, image: str = "models/anna.jpg", garment: str = "tee.jpg", **more: Any) -> Path:
    """A manifest in a folder of its own, with a garment that is there."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "tee.jpg").write_bytes(jpeg("red"))
    path = root / "manifest.json"
    content = {
        "models": [{"id": "anna", "image": image}],
        "garments": [{"id": "tee", "image": garment, "type": "upper"}],
    }
    path.write_text(json.dumps(content | more), encoding="utf-8")
    return path


def put(root: Path, name: str, data: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ManifestError) as found:
        read(path)
    return [str(problem) for problem in found.value.problems]


# --- keys ---


def test_two_folders_with_a_picture_of_one_name_never_meet(tmp_path: Path) -> None:
    for folder, colour in (("spring", "white"), ("autumn", "black")):
        put(tmp_path / folder, "models/anna.jpg", jpeg(colour))
    drafts = [read(lay(tmp_path / folder)) for folder in ("spring", "autumn")]
    with fake_stack() as stack:
        for draft in drafts:
            drop(stack, draft)
        assert len([key for key in stack.objects() if key.endswith("-anna.jpg")]) == 2
    for draft in drafts:
        (model,) = draft.manifest.models
        assert model.image == key_of(hashlib.sha256(draft.pictures[model.image].read_bytes()).hexdigest(), "anna.jpg")
        assert json.loads(draft.data)["models"][0]["image"] == model.image


def test_a_key_is_the_contents_first_sixteen_digits_and_the_name() -> None:
    assert key_of("0123456789abcdef0000", "anna.jpg") == "inputs/0123456789abcdef-anna.jpg"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a\x07b\n.jpg", "a-b-.jpg"),
        ("9.41.00\u202fAM.png", "9.41.00 AM.png"),
        ("cafe\u0301.jpg", "café.jpg"),
        ("a\u202eb.jpg", "a-b.jpg"),
        ("back\\slash.jpg", "back-slash.jpg"),
        ("\udcff.jpg", "-.jpg"),
        ("モデル 1.png", "モデル 1.png"),
    ],
)
def test_what_cannot_be_in_a_key_is_replaced(name: str, part: str) -> None:
    assert cleaned(name, 100) == part


def test_a_long_name_is_cut_and_keeps_its_extension() -> None:
    key = key_of("0" * 64, "漢" * 800 + ".jpeg")
    assert MAX_KEY_BYTES - 3 < len(key.encode()) <= MAX_KEY_BYTES
    assert key.endswith("漢.jpeg")


def test_no_picture_goes_where_a_manifest_starts_a_run(tmp_path: Path) -> None:
    put(tmp_path, "manifests/x.json", jpeg())
    with fake_stack() as stack:
        drop(stack, read(lay(tmp_path, "manifests/x.json")))
        assert [key for key in stack.objects() if key.startswith("manifests/")] == ["manifests/manifest.json"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("SPRING.JSON", "SPRING.json"),
        ("spring", "spring.json"),
        ("a.txt", "a.txt.json"),
        (".hidden.json", "hidden.json"),
    ],
)
def test_a_manifest_of_any_name_gets_a_key_that_starts_its_run(name: str, key: str, tmp_path: Path) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    assert read(lay(tmp_path).rename(tmp_path / name)).name == key


# --- what goes up ---

SECRETS = {
    "text": b"aws_secret_access_key = dummy",
    "json": b'{"access_key": "dummy"}',
    "tiff": b"II*\x00" + bytes(400),
    "head only": b"\xff\xd8\xff aws_secret_access_key = dummy",
    "empty": b"",
}


@pytest.mark.parametrize("data", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize(
    "image", ["../credentials", "{root}/credentials", "inside.jpg", "link.jpg", "./x/../inside.jpg"]
)
def test_what_is_no_picture_is_never_uploaded(image: str, data: bytes, tmp_path: Path) -> None:
    secret = put(tmp_path, "credentials", data)
    put(tmp_path, "job/inside.jpg", data)
    (tmp_path / "job" / "x").mkdir()
    (tmp_path / "job" / "link.jpg").symlink_to(secret)
    image = image.format(root=tmp_path)
    (problem,) = problems(lay(tmp_path / "job", image))
    assert problem.startswith(f"models[0].image: {image}: is ")


def test_a_home_folder_is_looked_into_for_pictures_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    put(tmp_path / "home", "anna.jpg", jpeg())
    put(tmp_path / "home", ".netrc", b"dummy")
    assert read(lay(tmp_path / "job", "~/anna.jpg")).outside == [tmp_path / "home" / "anna.jpg"]
    assert "is not a JPEG" in problems(lay(tmp_path / "job", "~/.netrc"))[0]
    assert problems(lay(tmp_path / "job", "~nobody-here/x.jpg"))[0].endswith("is no file here")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_folder_is_not_read(tmp_path: Path) -> None:
    path = lay(tmp_path, "pipe.jpg", garment="folder")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder").mkdir()
    assert set(read(path).elsewhere) == {"pipe.jpg", "folder"}


def test_a_broken_picture_is_told_before_anything_goes_up(tmp_path: Path) -> None:
    put(tmp_path, "models/anna.jpg", jpeg()[:200])
    assert "is cut short" in problems(lay(tmp_path))[0]


def test_a_wrong_entry_and_a_wrong_picture_are_told_together(tmp_path: Path) -> None:
    put(tmp_path, "far.jpg", b"far")
    path = lay(tmp_path / "here", "../far.jpg", garments=[3])
    assert [problem.partition(":")[0] for problem in problems(path)] == ["garments[0]", "models[0].image"]


def test_a_mac_s_letters_and_a_manifest_s_are_the_same(tmp_path: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "café.jpg"), jpeg())
    (picture,) = [key for key in read(lay(tmp_path, "café.jpg")).pictures if "caf" in key]
    assert picture.endswith("-café.jpg")


def test_a_picture_that_is_changed_on_the_way_up_is_not_put_under_its_old_key(tmp_path: Path) -> None:
    path = put(tmp_path, "models/anna.jpg", jpeg())
    draft = read(lay(tmp_path))
    path.write_bytes(jpeg("black"))
    with fake_stack() as stack, pytest.raises(Exception, match=r"anna.jpg was changed while it was uploaded"):
        drop(stack, draft)


def test_what_is_there_with_the_same_content_is_not_put_again(tmp_path: Path) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    draft = read(lay(tmp_path))
    with fake_stack() as stack:
        assert (upload(stack, draft).new, upload(stack, draft).there) == (2, 2)
        key = draft.manifest.models[0].image
        for other in (b"somebody else's", bytes(len(jpeg()))):
            stack.s3.put_object(Bucket=BUCKET, Key=key, Body=other)
            assert upload(stack, draft).new == 1
        assert stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == jpeg()


def test_under_kms_the_picture_is_known_by_its_own_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    draft = read(lay(tmp_path))
    with fake_stack() as stack:
        upload(stack, draft)
        s3 = stack.s3
        answer = s3.head_object
        monkeypatch.setattr(s3, "head_object", lambda **asked: answer(**asked) | {"ETag": '"0123"'})
        assert [dropping._upload(s3, BUCKET, picture) for picture in draft.local.values()] == [False, False]


# --- what is said ---


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        ("../job/models/ana.jpg", "../job/models/anna.jpg"),
        ("./models/anna.jpeg", "./models/anna.jpg"),
    ],
)
def test_a_path_that_leads_nowhere_has_the_nearest_name(image: str, hint: str, tmp_path: Path) -> None:
    put(tmp_path / "job", "models/anna.jpg", jpeg())
    (problem,) = problems(lay(tmp_path / "job", image))
    assert problem == f"models[0].image: {image!r} is no file here; did you mean {hint!r}?"


@pytest.mark.parametrize(
    "image", ["inputs/anna.jpg", "models/Anna.JPG", "models\\anna.jpg", "anna.jpg", "model/ana.jpg"]
)
def test_a_key_that_is_not_in_the_bucket_has_the_nearest_file(image: str, tmp_path: Path) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    draft = read(lay(tmp_path, image))
    with fake_stack() as stack, pytest.raises(ManifestError) as found:
        check(stack, draft)
    assert str(found.value) == (
        f"models[0].image: {image!r} is no file here and is not in s3://{BUCKET}; did you mean 'models/anna.jpg'?"
    )


def test_hidden_files_and_other_files_are_no_hints(tmp_path: Path) -> None:
    put(tmp_path, ".cache/anna.jpg", jpeg())
    put(tmp_path, "anna.txt", b"")
    assert nearest("anna.jpg", tmp_path) is None


def test_the_stack_hears_that_every_picture_is_there_only_when_that_is_known(tmp_path: Path) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    with fake_stack(InputBuckets="catalogue") as stack:

        def told(path: Path) -> dict[str, str]:
            key, version = drop(stack, read(path))
            metadata: dict[str, str] = stack.s3.head_object(Bucket=BUCKET, Key=key, VersionId=version)["Metadata"]
            return metadata

        assert told(lay(tmp_path)) == {"pictures": "complete"}
        assert told(lay(tmp_path, "inputs/there.jpg")) == {}
        assert told(lay(tmp_path, "s3://catalogue/there.jpg")) == {}
        stack.s3.put_object(Bucket=BUCKET, Key="inputs/there.jpg", Body=jpeg())
        stack.s3.put_object(Bucket="catalogue", Key="there.jpg", Body=jpeg())
        assert told(lay(tmp_path, "inputs/there.jpg")) == {"pictures": "complete"}
        assert told(lay(tmp_path, "s3://catalogue/there.jpg")) == {"pictures": "complete"}


def test_what_may_not_be_asked_for_is_neither_there_nor_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = read(lay(tmp_path, "inputs/there.jpg"))

    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "403"}}, "HeadObject")

    with fake_stack() as stack:
        s3 = stack.s3
        monkeypatch.setattr(s3, "head_object", refused)
        monkeypatch.setattr(FakeStack, "s3", s3)
        found = look(stack, draft)
    assert (found.there, found.unknown, found.missing, found.complete) == ((), ("inputs/there.jpg",), (), False)


def test_another_bucket_and_a_large_picture_are_the_stacks_to_refuse(tmp_path: Path) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    with fake_stack(MaxImageBytes="100") as stack:
        with pytest.raises(ManifestError, match=r"models\[0\].image: 'models/anna.jpg' has .* at most 100 are read"):
            check(stack, read(lay(tmp_path)))
        with pytest.raises(ManifestError, match="bucket 'catalogue' is not one that this stack may read"):
            check(stack, read(lay(tmp_path, "s3://catalogue/anna.jpg")))


# --- the command ---


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stack that every command of a test speaks to; a manifest that is put is followed no further."""
    with fake_stack(options=" --port 4600") as running:
        for module in ("run", "plan"):
            monkeypatch.setattr(f"tryon_cli.{module}.target", lambda arguments: running)
        monkeypatch.setattr("tryon_cli.plan.listens", lambda port: True)
        monkeypatch.setattr("tryon_cli.run.follow_claimed", lambda *_: 0)
        yield running


def test_a_run_says_where_its_pictures_come_from(
    tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    stack.s3.put_object(Bucket=BUCKET, Key="inputs/there.jpg", Body=jpeg())
    assert main(["run", str(lay(tmp_path, garment="inputs/there.jpg"))]) == 0
    assert capsys.readouterr().out.endswith("\n1 picture uploaded, 1 taken from the bucket: inputs/there.jpg\n")
    main(["run", str(lay(tmp_path, garment="inputs/there.jpg"))])
    assert capsys.readouterr().out.endswith("\n1 picture there already, 1 taken from the bucket: inputs/there.jpg\n")


def test_with_json_the_words_go_to_standard_error(
    tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "anna.jpg", jpeg())
    assert main(["run", str(lay(tmp_path / "job", "../anna.jpg")), "--json", "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 pictures uploaded" in said.err


@pytest.mark.parametrize(
    ("words", "answer", "terminal", "code", "said"),
    [
        ((), "", False, 2, "nothing was uploaded: there is no terminal to ask in; --yes uploads them"),
        ((), "n\n", True, 2, "nothing was uploaded"),
        ((), "\n", True, 2, "nothing was uploaded"),
        ((), "y\n", True, 0, "2 pictures uploaded"),
        (("--yes",), "", False, 0, "2 pictures uploaded"),
    ],
)
def test_a_picture_from_outside_the_folder_goes_up_only_after_a_yes(  # noqa: PLR0913 - a case has many parts
    words: tuple[str, ...], answer: str, terminal: bool, code: int, said: str,
    tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    class Asked:
        def isatty(self) -> bool:
            return terminal

        def readline(self) -> str:
            return answer

    monkeypatch.setattr(tryon_cli.options.sys, "stdin", Asked())  # type: ignore[attr-defined]
    far = put(tmp_path, "far/anna.jpg", jpeg())
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "link.jpg").symlink_to(far)
    assert main(["run", str(lay(tmp_path / "job", "link.jpg")), *words]) == code
    told = capsys.readouterr()
    assert f"1 picture outside of the manifest's folder would be uploaded:\n  {far}\n" in told.out
    assert said in told.out + told.err
    assert bool(stack.objects()) is (code == 0)


PATHS = {
    "there": ("models/anna.jpg", 0),
    "with a dot": ("./models/anna.jpg", 0),
    "outside": ("../far.jpg", 0),
    "absolute": ("{root}/far.jpg", 0),
    "absolute and missing": ("{root}/nowhere.jpg", 2),
    "missing": ("models/nowhere.jpg", 2),
    "no picture": ("../secret.jpg", 2),
    "in the bucket": ("inputs/there.jpg", 0),
    "a slash at the end": ("models/", 2),
    "an address of another kind": ("https://example.com/a.jpg", 2),
}


@pytest.mark.parametrize(("image", "code"), PATHS.values(), ids=PATHS)
def test_plan_and_run_give_the_same_answer(
    image: str, code: int, tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "far.jpg", jpeg())
    put(tmp_path, "secret.jpg", b"dummy")
    put(tmp_path / "job", "models/anna.jpg", jpeg())
    stack.s3.put_object(Bucket=BUCKET, Key="inputs/there.jpg", Body=jpeg())
    path = str(lay(tmp_path / "job", image.format(root=tmp_path)))
    assert main(["plan", path]) == code
    planned = capsys.readouterr().err
    assert main(["run", path, "--yes"]) == code
    assert capsys.readouterr().err == planned
    assert (planned == "") is (code == 0)


def test_ctrl_c_while_pictures_go_up_says_that_nothing_was_started(
    tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    put(tmp_path, "models/anna.jpg", jpeg())
    monkeypatch.setattr("tryon_cli.run.upload", interrupted)
    assert main(["run", str(lay(tmp_path))]) == 130
    assert capsys.readouterr().err == "interrupted before the manifest was put: nothing was started\n"
    assert not [key for key in stack.objects() if key.startswith("manifests/")]


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("depth", [300, 5_000, 100_000])
def test_deep_nesting_is_an_error_and_no_traceback(
    command: str, depth: int, tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    path = lay(tmp_path)
    path.write_text(path.read_text()[:-1] + ', "x": ' + "[" * depth + "]" * depth + "}")
    assert main([command, str(path)]) == 2
    # How deep Python's JSON goes is another number in each of its versions.
    said = capsys.readouterr().err
    assert "is nested too deeply" in said or ("x: is not a known field" in said and depth < 100_000)


def test_json_that_python_cannot_indent_is_written_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dumps = json.dumps

    def shallow(value: Any, **options: Any) -> str:
        if options.get("indent"):
            raise RecursionError
        return dumps(value, **options)

    put(tmp_path, "models/anna.jpg", jpeg())
    path = lay(tmp_path)
    monkeypatch.setattr(dropping.json, "dumps", shallow)  # type: ignore[attr-defined]
    assert read(path).data.count(b"\n") == 0


def test_a_field_that_is_given_twice_is_told_though_pictures_are_named_anew(tmp_path: Path) -> None:
    put(tmp_path, "models/anna.jpg", jpeg())
    path = lay(tmp_path)
    path.write_text(path.read_text()[:-1] + ', "name": "a", "name": "b"}')
    assert problems(path) == ["name: is given twice in one object, as 'a' and 'b'"]


def test_uploads_say_how_far_they_are(stack: FakeStack, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    draft = lay_draft(tmp_path, 9)
    assert upload(stack, draft, lambda number, done: heard.append((number, done))).new == 9
    assert [number for number, _ in heard] == list(range(1, 10))
    assert heard[-1][1] == sum(picture.bytes for picture in draft.local.values())
    assert sorted(done for _, done in heard) == [done for _, done in heard]


def test_what_is_not_begun_when_one_upload_fails_is_not_begun(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = lay_draft(tmp_path, 60)
    first, given, ended = next(iter(draft.local.values())), dropping._upload, threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            ended.set()
            super().shutdown(wait=wait)

    def slow(s3: Any, bucket: str, picture: LocalPicture) -> bool:
        if picture is not first:
            ended.wait(60)
        return given(s3, bucket, picture)

    monkeypatch.setattr(dropping, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(dropping, "_upload", slow)
    # The first is not what it was when it was looked at.
    Image.new("RGB", (300, 400), "white").save(first.path)
    with pytest.raises(TargetError, match="was changed while it was uploaded"):
        upload(stack, draft)
    assert len(stack.objects()) <= dropping._UPLOADED_AT_ONCE


@pytest.mark.parametrize(("terminal", "quiet", "told"), [(False, 0.0, 9), (False, 1e9, 0), (True, 1e9, 1)])
def test_many_uploads_are_told_in_a_terminal_and_in_a_log(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, quiet: float, told: int
) -> None:
    monkeypatch.setattr("tryon_cli.run.QUIET_SECONDS", quiet)
    screen = StringIO()
    bring(stack, lay_draft(tmp_path, 9), Console(file=screen, force_terminal=terminal, width=72))
    said = screen.getvalue()
    assert ("uploading" in said) == bool(told)
    if not terminal and told:
        assert said.count("\n") == told
        assert said.splitlines()[-1].startswith("uploading: 9 of 9 pictures, 0.0 of 0.0 MB")


def lay_draft(folder: Path, number: int) -> Draft:
    """A manifest with so many pictures that are files, one model among them."""
    for n in range(number):
        Image.new("RGB", (300, 400), (n, n, n)).save(folder / f"p{n}.png")
    content = {
        "models": [{"id": "anna", "image": "p0.png"}],
        "garments": [{"id": f"g{n}", "image": f"p{n}.png", "type": "upper"} for n in range(1, number)],
    }
    (folder / "m.json").write_text(json.dumps(content))
    return read(folder / "m.json")
