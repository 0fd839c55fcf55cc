"""Each function finds in its layers what it imports."""

import json
import os
import subprocess
import sys

from tryon_local.app import ROOT
from tryon_local.aws.template import load

WITHOUT_IMAGING = """
import importlib.util, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"PIL", "pillow_heif", "volcengine"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
for path in json.loads(sys.argv[1]):
    spec = importlib.util.spec_from_file_location("app", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    print(path)
"""


def test_a_function_without_the_imaging_layer_needs_no_pillow() -> None:
    resources = load(ROOT / "template.yaml")["Resources"]
    plain = [
        str(ROOT / resource["Properties"]["CodeUri"] / "app.py")
        for resource in resources.values()
        if resource["Type"] == "AWS::Serverless::Function"
        and {"Ref": "ImagingLayer"} not in resource["Properties"].get("Layers", [])
    ]
    named = {
        name for r in resources.values() for name in r.get("Properties", {}).get("Environment", {}).get("Variables", {})
    }
    named |= set(load(ROOT / "template.yaml")["Globals"]["Function"]["Environment"]["Variables"])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_IMAGING, json.dumps(plain)],
        env={
            **os.environ,
            **dict.fromkeys(named, "1"),
            "RESULT_ORIGINS": "https://*.example.com",
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "PYTHONPATH": str(ROOT / "layers" / "tryon"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == plain
    assert len(plain) >= 3
