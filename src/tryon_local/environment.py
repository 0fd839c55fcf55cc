"""The environment of what runs on this machine: its own, whatever the person's says.

A profile, a proxy, an endpoint or a time zone set for other work would otherwise reach the stack, its
functions and its tests, one variable at a time. Here stands which ones are left out, and why; all others stay. The
command against a deployed stack keeps the person's environment as it is, and so does everything that installs.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Variables of one kind: a pattern that a whole name matches, in upper or lower case, and why they are left out."""

    pattern: str
    why: str

    def has(self, name: str) -> bool:
        return re.fullmatch(self.pattern, name, re.IGNORECASE) is not None


LEFT_OUT = (
    Family(
        r"AWS_.*|_AWS_.*|_X_AMZN_.*|BOTO_.*|BOTOCORE_.*|BOTO3_.*|AMAZON_.*|EC2_.*",
        "accounts, regions, endpoints, retries and plugins of AWS's SDKs: the local AWS has its own",
    ),
    Family(
        r"LAMBDA_.*|_HANDLER|_LAMBDA_.*",
        "by these a program takes itself for one that runs on Lambda",
    ),
    Family(
        r".*_PROXY|REQUEST_METHOD",
        "proxies: a proxy has another 127.0.0.1, and everything here is on this machine",
    ),
    Family(
        r"REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE|NETRC",
        "certificates and passwords for other machines; a .netrc would replace a signature",
    ),
    Family(
        r"POWERTOOLS_.*|LOG_LEVEL",
        "what Powertools logs, measures and traces: the template says it",
    ),
    Family(
        r"MOTO_.*|TEST_SERVER_MODE.*|TEST_PROXY_MODE.*|INITIAL_NO_AUTH_ACTION_COUNT|DEFAULT_CONTAINER_REGISTRY"
        r"|SF_EXECUTION_HISTORY_TYPE|S3_UPLOAD_PART_MIN_SIZE|S3_IGNORE_SUBDOMAIN_BUCKETNAME|VALIDATE_LAMBDA_S3"
        r"|TESTS_SKIP_REQUIRES_DOCKER|LOCALSTACK_.*|FLASK_.*|WERKZEUG_.*|SERVER_NAME",
        "settings of the stand-in for AWS and of its web server",
    ),
    Family(
        r"VOLC_.*|VOLCENGINE_.*|BYTEPLUS_.*",
        "keys of the try-on service: the stand-in takes only its own",
    ),
    Family(
        r"PYTHON(PATH|HOME|STARTUP|OPTIMIZE|WARNINGS|INSPECT|DEBUG|VERBOSE|DEVMODE|ASYNCIODEBUG|TRACEMALLOC|MALLOC"
        r"|PROFILEIMPORTTIME|BREAKPOINT|SAFEPATH|PLATLIBDIR|EXECUTABLE|INTMAXSTRDIGITS|WARNDEFAULTENCODING)",
        "what changes how Python runs, for the processes that are started",
    ),
    Family(
        r"PIP_.*|UV_.*|CONDA_.*|VIRTUAL_ENV.*|POETRY_.*|PDM_.*",
        "package tools: what runs installs nothing, and what installs keeps them",
    ),
    Family(
        r"PYTEST_.*|HYPOTHESIS_.*|COVERAGE_.*|COV_CORE_.*|TOX_.*",
        "options for tests of other projects",
    ),
    Family(r"TZ|TZDIR|SOURCE_DATE_EPOCH|DATEMSK", "the time zone: Lambda's is UTC"),
    Family(
        r"PILLOW_.*|OMP_.*|MKL_.*|OPENBLAS_.*|LIBHEIF_.*|MALLOC_.*|LD_PRELOAD",
        "what changes how pictures are computed, or the memory for it",
    ),
)
"""What is left out; names that pytest itself sets while it runs are kept, see `own`."""

_SETS_WHILE_IT_RUNS = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_")

FIXED = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEDUMMY",
    "AWS_SECRET_ACCESS_KEY": "dummy",
    # Files in the home folder count as little as variables do.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "NETRC": os.devnull,
    # Where no variable names a proxy, Python asks the system's settings on some machines.
    "NO_PROXY": "*",
    "no_proxy": "*",
    "TZ": "UTC",
}
"""What is set instead, besides the region."""

_KEPT = "TRYON_FOUND_ENVIRONMENT"
"""Where a process leaves what it found for those that it starts, which would find its own environment."""

_found: dict[str, str] = json.loads(os.environ[_KEPT]) if _KEPT in os.environ else dict(os.environ)


def found() -> dict[str, str]:
    """The environment as the person's was when this process began, for whatever installs something."""
    return dict(_found)


def hand_on() -> None:
    """Let processes that this one starts find the person's environment too."""
    os.environ[_KEPT] = json.dumps(_found)


def is_left_out(name: str) -> bool:
    """Whether what runs here does not see a variable of the person's."""
    return not name.startswith(_SETS_WHILE_IT_RUNS) and any(family.has(name) for family in LEFT_OUT)


def own(environment: Mapping[str, str], region: str = "us-east-1") -> dict[str, str]:
    """That environment without what is left out, with what is fixed."""
    kept = {name: value for name, value in environment.items() if not is_left_out(name)}
    return {**kept, **FIXED, "AWS_DEFAULT_REGION": region, "AWS_REGION": region}


def enter(region: str = "us-east-1") -> None:
    """Make this process's environment its own, for good."""
    _replace(own(os.environ, region))


@contextlib.contextmanager
def isolated(region: str = "us-east-1") -> Iterator[None]:
    """Within it this process's environment is its own; afterwards it is as before."""
    saved = dict(os.environ)
    enter(region)
    try:
        yield
    finally:
        _replace(saved)


def _replace(wanted: Mapping[str, str]) -> None:
    zone = os.environ.get("TZ")
    # One by one, so that another thread never finds it empty.
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if os.environ.get(name) != value})
    if os.environ.get("TZ") != zone:
        time.tzset()
