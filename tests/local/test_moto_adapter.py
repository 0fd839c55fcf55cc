"""The one package that touches moto's private parts says so loudly when moto is not what it knows."""

import importlib
import inspect
import re
from importlib.metadata import version

import pytest
from moto.dynamodb.responses import DynamoHandler
from moto.stepfunctions.parser.asl.component.program.program import Program

from tests.local.machines import APP, START
from tryon_local.app import ROOT
from tryon_local.aws import moto_adapter
from tryon_local.aws.moto_adapter import MOTO_VERSION, MotoMovedError, events, patching
from tryon_local.aws.stack import LocalStack
from tryon_local.clock import VirtualClock


@pytest.fixture(autouse=True)
def _looked_at_anew() -> None:
    moto_adapter._ready.cache_clear()


def test_the_installed_moto_is_the_one_that_is_known() -> None:
    assert version("moto") == MOTO_VERSION
    assert patching.differences() == []


@pytest.mark.parametrize("replacement", patching.REPLACEMENTS, ids=lambda replacement: replacement.path)
def test_every_replaced_name_is_there_with_the_parameters_it_is_known_by(
    replacement: patching.Replacement,
) -> None:
    holder, name = replacement.locate()
    found = inspect.getattr_static(holder, name)
    assert found is not None
    if replacement.signature is None:
        assert inspect.ismodule(found) or inspect.isclass(found) or isinstance(found, list | property)
    else:
        assert patching.signature_of(getattr(holder, name)) == replacement.signature


def test_nothing_is_replaced_twice() -> None:
    paths = [replacement.path for replacement in patching.REPLACEMENTS]
    assert len(paths) == len(set(paths))


def test_another_version_of_moto_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moto.__version__", "5.2.6")
    with (
        pytest.raises(MotoMovedError, match=r"moto is 5\.2\.6, this package knows 5\.2\.5"),
        LocalStack(APP, clock=VirtualClock(START)),
    ):
        pass


def test_a_name_that_moved_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Program, "eval")
    monkeypatch.setattr(DynamoHandler, "call_action", lambda self, request: None)
    with pytest.raises(MotoMovedError) as moved, LocalStack(APP, clock=VirtualClock(START)):
        pass
    assert "program:Program.eval" in str(moved.value)
    assert "DynamoHandler.call_action(self, request), expected (self)" in str(moved.value)


def test_moto_is_put_back_as_it_was() -> None:
    def state() -> list[object]:
        return [inspect.getattr_static(*replacement.locate()) for replacement in patching.REPLACEMENTS]

    before = state()
    with LocalStack(APP, clock=VirtualClock(START)):
        assert state() != before
    assert all(now is then for now, then in zip(state(), before, strict=True))


def test_copies_of_a_name_in_other_modules_are_replaced_and_put_back() -> None:
    module = importlib.import_module(
        "moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sns"
    )
    original = module.boto_client_for
    with LocalStack(APP, clock=VirtualClock(START)):
        assert module.boto_client_for is not original
    assert module.boto_client_for is original


@pytest.mark.parametrize(
    ("pattern", "fits", "others"),
    [
        ("manifests/*.json", ["manifests/a.json", "manifests/a\nb.json", "manifests/.json"], ["manifests/a.jsonl"]),
        ("*", ["", "a\n"], []),
        ("a\\*b", ["a*b"], ["axb", "a\\*b"]),
        ("a\\\\b.c", ["a\\b.c"], ["a\\bxc"]),
    ],
)
def test_a_wildcard_is_anything_and_what_is_escaped_is_itself(pattern: str, fits: list[str], others: list[str]) -> None:
    expression = events._expression(pattern)
    assert [text for text in fits + others if expression.fullmatch(text)] == fits


def test_the_page_names_every_replacement_and_no_other() -> None:
    page = (ROOT / "docs" / "moto.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+:[\w.]+)`", page))
    replaced = set()
    for replacement in patching.REPLACEMENTS:
        module, _, attribute = replacement.path.partition(":")
        replaced.add(f"{module.rpartition('.')[2]}:{attribute}")
    assert named == replaced
    assert f"moto) {MOTO_VERSION} " in page
