"""DynamoDB: one call at a time, so that each is atomic as on AWS; S3: versions listed without a copy of all others."""

import functools
import threading
from types import SimpleNamespace
from typing import Any

from moto.s3.utils import _VersionedKeyStore

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


@replaces(
    "moto.s3.models:S3Backend.list_object_versions",
    "(self, bucket_name, delimiter, key_marker, max_keys, prefix, version_id_marker)",
)
def _list_versions(session: Session, original: Any) -> Any:
    # The original copies every version of every key of the bucket deeply, and then looks for the prefix.
    def listed(self: Any, bucket_name: str, *rest: Any, prefix: str = "", **more: Any) -> Any:
        keys = _VersionedKeyStore()
        for key, versions in self.get_bucket(bucket_name).keys.iterlists():
            if key.startswith(prefix):
                keys.setlist(key, versions)
        narrowed = SimpleNamespace(get_bucket=lambda name: SimpleNamespace(keys=keys))
        return original(narrowed, bucket_name, *rest, prefix=prefix, **more)

    return listed
