"""A service that is in no registry: what adding one takes, and a way to put it there for a test.

It speaks FASHN's words at addresses of its own, so that FASHN's stand-in can play it. A real one is a folder with these
two modules, a name in `registry.SERVICES`, its marked blocks in the template (here FASHN's under another name) and its
answers in `tests/service/contract/of_<name>.py`.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from tests.service.contract import of_fashn
from tests.service.contract.case import Case
from tryon.service import registry
from tryon.service.fashn import client as fashn_client
from tryon_local.app import ROOT

KEY = "toy/tryon-v1.6"

_FASHN = registry.find("fashn")
CAPABILITIES = (
    replace(
        _FASHN,
        service="toy",
        account="toy",
        endpoint="https://api.toy.example",
        result_origins=("https://*.toy.example",),
        usual_seconds=9.0,
    ),
)

CASES: tuple[Case, ...] = (replace(of_fashn.CASES[0], key=KEY),)


@contextmanager
def installed() -> Iterator[None]:
    """The toy among the services, for as long as the block lasts."""
    folder, light, client = (ModuleType(f"tryon.service.toy{part}") for part in ("", ".capabilities", ".client"))
    vars(light)["CAPABILITIES"] = CAPABILITIES
    vars(client)["build"] = fashn_client.build
    modules = {module.__name__: module for module in (folder, light, client)}
    with patch.object(registry, "SERVICES", (*registry.SERVICES, "toy")), patch.dict(sys.modules, modules):
        yield


def template() -> str:
    """The template with the toy's blocks, which are FASHN's under its name, and its lines in the two lists."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")

    def renamed(found: str) -> str:
        return found.replace("Fashn", "Toy").replace("FASHN", "TOY").replace("fashn", "toy")

    block = re.compile(r"^ *# --- service fashn.*?# --- end of fashn ---\n", re.MULTILINE | re.DOTALL)
    text = block.sub(lambda found: found[0] + renamed(found[0]), text)
    for line in re.findall(r"^.*HasFashn(?::|, !Ref FashnSecret, !Ref AWS::NoValue).*\n", text, re.MULTILINE):
        text = text.replace(line, line + renamed(line), 1)
    return text


def project(folder: Path) -> Path:
    """The project with that template, in a folder."""
    for name in ("functions", "layers"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "statemachine", folder / "statemachine")
    (folder / "template.yaml").write_text(template(), encoding="utf-8")
    return folder
