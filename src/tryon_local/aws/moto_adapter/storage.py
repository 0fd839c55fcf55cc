"""DynamoDB: one call at a time, so that each is atomic as on AWS; moto's are not when two threads call."""

import functools
import threading
from typing import Any

from .patching import replaces
from .session import Session

one_at_a_time = threading.RLock()


@replaces("moto.dynamodb.responses:DynamoHandler.call_action", "(self)")
def _atomic(session: Session, original: Any) -> Any:
    # Around the answer too: it is written from the very item that the next call may change.
    @functools.wraps(original)
    def call_action(self: Any) -> Any:
        with one_at_a_time:
            return original(self)

    return call_action
