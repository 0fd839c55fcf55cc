"""DynamoDB: writes are atomic, as AWS's are; moto's are not when two threads write."""

import functools
import threading
from typing import Any

from .patching import replaces
from .session import Session

_lock = threading.RLock()
_BACKEND = "moto.dynamodb.models:DynamoDBBackend"


@replaces(f"{_BACKEND}.put_item")
@replaces(f"{_BACKEND}.update_item")
@replaces(f"{_BACKEND}.delete_item")
@replaces(f"{_BACKEND}.transact_write_items")
def _atomic(session: Session, original: Any) -> Any:
    @functools.wraps(original)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _lock:
            return original(self, *args, **kwargs)

    return locked
