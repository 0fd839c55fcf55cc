"""What a function loads of services: of the one that it speaks to, and of no other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_wiring import ENVIRONMENT
from tryon.service import registry

ROOT = Path(__file__).resolve().parents[2]

LOADED = """
import importlib.util, json, os, sys
os.environ.update(json.loads(sys.argv[1]))
spec = importlib.util.spec_from_file_location("app", sys.argv[2])
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
key = sys.argv[3]
if key:
    from tryon.planning.plan import Combination
    picture = {"bucket": "b", "key": "k"}
    Combination.model_validate({"n": 1, "model": "m", "worn": "01-g", "variant": "a", "service": key,
        "model_picture": picture, "garments": [{"id": "g", "type": "upper", "picture": picture}]})
    app.wiring.gate(key)
    for part in ("service", "session", "policy"):
        getattr(app.wiring, part, lambda _: None)(key)
print(json.dumps(sorted({name.split(".")[2] for name in sys.modules if name.count(".") > 2 or
    name.startswith("tryon.service.") and name.split(".")[2] in json.loads(sys.argv[4])})))
"""


def services_of(function: str, key: str) -> set[str]:
    """The services whose modules are loaded once a function is, and its parts for one service are made."""
    environ = ENVIRONMENT | {f"{name}_SECRET".upper(): "s" for name in registry.SERVICES}
    environ |= {f"{name}_SLOTS".upper(): "2" for name in registry.SERVICES}
    environ |= {"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_METRICS_NAMESPACE": "tryon"}
    app = str(ROOT / "functions" / function / "app.py")
    code = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(environ), app, key, json.dumps(registry.SERVICES)],
        env={"PYTHONPATH": str(ROOT / "layers" / "tryon"), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(code.stdout.splitlines()[-1])) & set(registry.SERVICES)


@pytest.mark.parametrize("function", ["plan", "reserve", "submit", "poll", "download", "summarize"])
def test_a_function_loads_no_service_before_it_is_called(function: str) -> None:
    assert services_of(function, "") == set()


@pytest.mark.parametrize("name", registry.SERVICES)
@pytest.mark.parametrize("function", ["reserve", "submit", "poll", "download"])
def test_a_function_that_works_for_one_service_loads_no_module_of_another(function: str, name: str) -> None:
    assert services_of(function, registry.models(name)[0].key) == {name}
