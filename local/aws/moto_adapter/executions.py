"""Step Functions' own API about executions: children, pages of history, and their end."""

from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.exceptions import ExecutionDoesNotExist

from .patching import replaces
from .session import Session
