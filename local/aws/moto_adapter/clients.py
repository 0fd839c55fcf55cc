"""Calls to AWS from this process: clients built once, and the dearest steps of an answer made cheap."""

import functools
import threading
from typing import Any

import boto3

from .patching import replaces
from .session import Session


class SharedClientsSession(boto3.Session):
    """A boto3 session that builds a client once and can be used by many threads."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._build = threading.Lock()
        self._clients: dict[Any, Any] = {}

    def client(self, *args: Any, **kwargs: Any) -> Any:
        key = (args, tuple(sorted(kwargs.items(), key=lambda item: item[0])))
        try:
            known = self._clients.get(key)
        except TypeError:
            with self._build:
                return super().client(*args, **kwargs)
        if known is None:
            with self._build:
                known = self._clients.get(key)
                if known is None:
                    known = self._clients[key] = super().client(*args, **kwargs)
        return known


@replaces("parser.asl.utils.boto_client:boto_client_for", "(region, service, state_credentials)", spread=True)
def _client_for_states(session: Session, original: Any) -> Any:
    clients: dict[tuple[str, str], Any] = {}
    building = threading.Lock()

    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        key = (region, service)
        if key not in clients:
            with building:
                if key not in clients:
                    clients[key] = original(region=region, service=service)
        return clients[key]

    return boto_client_for


@replaces("moto.core.botocore_stubber:BotocoreStubber.__call__", "(self, event_name, request, **kwargs)")
def _answer(session: Session, original: Any) -> Any:
    def call(self: Any, event_name: str, request: Any, **kwargs: Any) -> Any:
        session.before_call()
        return original(self, event_name, request, **kwargs)

    return call


@replaces("moto.core.responses:method_names_from_class", "(clazz)")
def _method_names(session: Session, original: Any) -> Any:
    return functools.lru_cache(maxsize=None)(original)


_ATTRIBUTE_TYPES = frozenset({"S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"})


@replaces("moto.core.serialize:AttributePicker.__call__", "(self, context)")
def _pick(session: Session, original: Any) -> Any:
    # The original tries up to four spellings of each of ten types for each attribute of a DynamoDB item.
    def pick(self: Any, context: Any) -> Any:
        value = context.obj
        if isinstance(value, dict) and len(value) == 1 and not _ATTRIBUTE_TYPES.isdisjoint(value):
            return value.get(context.key)
        return original(self, context)

    return pick
