"""The list of everything of moto's that is replaced while a local stack lives, and nothing else."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import moto

MOTO_VERSION = "5.2.5"

_PARSER = "moto.stepfunctions.parser"


class MotoMovedError(RuntimeError):
    """moto is not what this package was written against."""


@dataclass(frozen=True)
class Replacement:
    """One name of moto's, the signature it is known by, and how its replacement is made.

    `path` reads `module:Class.name`; `signature` is None for what cannot be called.
    `make` takes the session and the original and returns what takes its place.
    `spread` means that modules of the interpreter hold copies of the name, each to be replaced as well.
    """

    path: str
    signature: str | None
    make: Callable[[Any, Any], Any]
    spread: bool = False

    def locate(self) -> tuple[Any, str]:
        """The object that holds the name, and the name."""
        module_name, _, attribute = self.path.partition(":")
        *outer, name = attribute.split(".")
        holder: Any = importlib.import_module(module_name)
        for part in outer:
            holder = getattr(holder, part)
        if name not in vars(holder):
            raise AttributeError(f"{holder.__name__} has no {name} of its own")
        return holder, name


REPLACEMENTS: list[Replacement] = []

EXPECTED: dict[str, tuple[Callable[..., Any], str]] = {}
"""What is not replaced but relied on, by its name, and the signature that it is known by."""


def replaces(
    path: str, signature: str | None = None, *, spread: bool = False
) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
    """Enter the decorated maker into the list; a path's `parser.` stands for moto's Step Functions interpreter."""

    def enter(make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        full = path.replace("parser.", f"{_PARSER}.", 1) if path.startswith("parser.") else path
        REPLACEMENTS.append(Replacement(full, signature, make, spread))
        return make

    return enter


def differences() -> list[str]:
    """What of moto is not where, or not as, this package expects it; empty when all is well."""
    found = []
    if moto.__version__ != MOTO_VERSION:
        found.append(f"moto is {moto.__version__}, this package knows {MOTO_VERSION}")
    for replacement in REPLACEMENTS:
        try:
            holder, name = replacement.locate()
        except (ImportError, AttributeError) as error:
            found.append(f"{replacement.path}: {error}")
            continue
        if replacement.signature is not None:
            signature = signature_of(getattr(holder, name))
            if signature != replacement.signature:
                found.append(f"{replacement.path}{signature}, expected {replacement.signature}")
    for path, (function, expected) in EXPECTED.items():
        if signature_of(function) != expected:
            found.append(f"{path}{signature_of(function)}, expected {expected}")
    return found


def signature_of(function: Any) -> str:
    """The names of a function's parameters, without annotations: `(self, env, *args)`."""
    parameters = inspect.signature(function).parameters.values()
    return "(" + ", ".join(_mark(parameter.kind) + parameter.name for parameter in parameters) + ")"


def _mark(kind: Any) -> str:
    return {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(kind, "")


class Patches:
    """The replacements as put in place for one session; `remove` puts moto back as it was."""

    def __init__(self) -> None:
        self._originals: list[tuple[Any, str, Any]] = []

    def put(self, session: Any) -> None:
        for replacement in REPLACEMENTS:
            holder, name = replacement.locate()
            original = inspect.getattr_static(holder, name)
            made = replacement.make(session, getattr(holder, name))
            for place in list(_places(holder, name, replacement.spread)):
                self._originals.append((place, name, original))
                setattr(place, name, made)

    def remove(self) -> None:
        while self._originals:
            holder, name, original = self._originals.pop()
            setattr(holder, name, original)


def _places(holder: Any, name: str, spread: bool) -> Iterator[Any]:
    yield holder
    if spread:
        original = getattr(holder, name)
        for module_name, module in list(sys.modules.items()):
            elsewhere = module_name.startswith(_PARSER) and module is not holder
            if elsewhere and getattr(module, name, None) is original:
                yield module
