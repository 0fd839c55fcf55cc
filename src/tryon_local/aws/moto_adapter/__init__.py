"""moto, made to run a real workflow: the one place that touches its private parts."""

import functools
import importlib
import logging
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import moto.stepfunctions.parser
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.core.models import botocore_stubber
from moto.moto_api._internal import mock_random

from . import (
    at_once,
    callbacks,
    clients,
    cloudformation,
    events,
    executions,
    interpreter,
    json_values,
    jsonata_engine,
    lambda_calls,
    map_results,
    map_runs,
    post_policy,
    sizes,
    storage,
    waits,
)
from .journal import Child, Journal
from .patching import MOTO_VERSION, MotoMovedError, Patches, differences
from .session import Caller, Invocation, Session

__all__ = ["MOTO_VERSION", "Caller", "Child", "Invocation", "Journal", "MotoMovedError", "Session", "running"]

# Each enters what it replaces into the list when it is imported.
_PARTS = (
    callbacks,
    clients,
    cloudformation,
    events,
    executions,
    interpreter,
    json_values,
    jsonata_engine,
    lambda_calls,
    map_results,
    map_runs,
    post_policy,
    sizes,
    storage,
    waits,
)

_CONFIG = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}


@functools.cache
def _ready() -> None:
    # Every module now: one that was first imported while patched would keep a patched name for good.
    package: Any = moto.stepfunctions.parser
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        # Some of moto's modules are left-overs that import what is not there.
        with suppress(ImportError):
            importlib.import_module(module.name)
    moved = differences()
    if moved:
        raise MotoMovedError("moto is not what src/tryon_local/aws was written against:\n  " + "\n  ".join(moved))


@contextmanager
def running(session: Session) -> Iterator[None]:
    """Let moto answer every AWS client of this process, as that session wants it, from nothing and to nothing.

    Raises MotoMovedError when the installed moto is not the one this package knows.
    """
    _ready()
    if botocore_stubber.enabled:
        raise RuntimeError("moto is in use in this process already, by another local stack or by mock_aws")
    patches = Patches()
    saved = dict(default_user_config)
    level = logging.getLogger("moto").level
    logging.getLogger("moto").setLevel(logging.CRITICAL)
    try:
        patches.put(session)
        default_user_config.update(_CONFIG)
        BackendDict.reset()
        # The same names and ids for the same calls: a run in virtual time can be repeated, a parse reused.
        mock_random.seed(0)
        botocore_stubber.enabled = True
        with at_once.serving(session):
            yield
    finally:
        botocore_stubber.enabled = False
        BackendDict.reset()
        reset_model_data()
        mock_random.seed()
        default_user_config.clear()
        default_user_config.update(saved)
        patches.remove()
        logging.getLogger("moto").setLevel(level)
