"""The worst manifests in a process of their own: refused or read within what Plan has of memory."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tryon_local.app import ROOT
from tryon_local.aws.template import expand

PROGRAM = """
import resource, sys
from tryon.planning.manifest import ManifestError, parse
data = sys.stdin.buffer.read()
try:
    parse(data, bucket="pictures")
    print("read")
except ManifestError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

SHARE = 0.8
"""How much of a function's memory the manifest may take at most."""


def unknown_fields() -> bytes:
    entry = b'{"id":1,' + b",".join(b'"%d":1' % i for i in range(13)) + b"}"
    return b'{"retry_of":"x","combinations":[' + b",".join([entry] * 100_000) + b"]}"


def longest_retry() -> bytes:
    models, garments = ([f"{kind}{i:06d}".ljust(63, "x") for i in range(316)] for kind in "mg")
    return json.dumps(
        {
            "name": "\U0001f469",
            "retry_of": "x",
            "models": [{"id": name, "image": "a.jpg"} for name in models],
            "garments": [{"id": name, "image": "a.jpg", "type": "upper"} for name in garments],
            "variants": {"v".ljust(63, "v"): {}},
            "combinations": [
                {"model": model, "garment": garment, "variant": "v".ljust(63, "v")}
                for model in models
                for garment in garments
            ],
        },
        ensure_ascii=False,
    ).encode()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (unknown_fields, "and 1,499,9"),
        (longest_retry, "read"),
        (lambda: b'{"retry_of":"x","models":[[' + b"{}," * 8_000_000 + b"{}]]}", "more than 1,500,000 values"),
        (lambda: b'{"models":[' + b"[[]]," * 1_400_000 + b"[]]}", "models: has 1,400,001 entries"),
        (lambda: '{{"retry_of":"x","name":"{}"}}'.format("\U0001f469" * 6_000_000).encode(), "at most 80 characters"),
    ],
)
def test_no_manifest_takes_the_memory_that_plan_has(made: Callable[[], bytes], said: str) -> None:
    memory = expand(ROOT / "template.yaml")["Resources"]["PlanFunction"]["Properties"]["MemorySize"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=made(),
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "layers" / "tryon")},
    )
    told, peak = done.stdout.decode().splitlines()
    assert said in told
    assert int(peak) < SHARE * memory
