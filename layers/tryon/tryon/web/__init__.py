"""What the project's pages share, and how a page is put together from its files: no tool but Python is needed."""

import posixpath
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources

_IMPORT = re.compile(r'^import \{[^}]*\} from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let) )", re.MULTILINE)
_MODULE = re.compile(r"^[ \t]*(?:import|export)\b", re.MULTILINE)
_INDENT = re.compile(r"^[ ]+", re.MULTILINE)
_SHARED = "web"


@cache
def script(package: str) -> str:
    """The one script of a page: `page/main.mjs` of a package and all that it imports, in one function's scope.

    Files come in the order in which a browser would run them as modules: what is imported, first. Their names share
    one scope, so no name may be defined twice. Raises ValueError for an import or export in another form than
    `import { … } from "….mjs"` and `export` before a function, const or let.
    """
    pieces: list[str] = []
    for name, text in _modules(package, "page/main.mjs", set()):
        text = _EXPORT.sub("", _IMPORT.sub("", text))
        if _MODULE.search(text):
            raise ValueError(f"{name} of {package} imports or exports in a form that cannot be put together")
        pieces.append(text.strip("\n"))
    # Without indentation, which is a fifth of it: a gallery is carried about, and its files are there to be read.
    return _INDENT.sub("", '"use strict";\n(() => {\n' + "\n".join(pieces) + "\n})();\n")


@cache
def style(package: str, *names: str) -> str:
    """The one style sheet of a page: the shared colours, then a package's `page/<name>.css` in the order given."""
    sheets = [_text(__package__, "tokens.css"), *(_text(package, f"page/{name}.css") for name in names)]
    return _INDENT.sub("", "".join(sheets))


def _modules(package: str, path: str, seen: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    seen.add((package, path))
    text = _text(package, path)
    for found in _IMPORT.finditer(text):
        target = _resolved(package, path, found[1])
        if target not in seen:
            yield from _modules(*target, seen)
    yield path, text


def _resolved(package: str, path: str, imported: str) -> tuple[str, str]:
    """The file of an import: beside the one that imports it, or one of those that pages share.

    A shared file's folder is left out: it is another one in a checkout than in an installed package.
    """
    folder, name = posixpath.split(imported)
    if folder == ".":
        return package, posixpath.join(posixpath.dirname(path), name)
    if posixpath.basename(folder) == _SHARED:
        return __package__, name
    raise ValueError(f"{path} of {package} imports {imported}: neither beside it nor in {_SHARED}")


def _text(package: str, path: str) -> str:
    return resources.files(package).joinpath(*path.split("/")).read_text("utf-8")
