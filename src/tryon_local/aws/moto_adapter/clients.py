"""Calls to AWS from this process: clients built once, and the dearest steps of an answer made cheap."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from . import at_once
from .patching import replaces
from .session import Session


class SharedClientsSession(boto3.Session):
    """A boto3 session that builds a client once and can be used by many threads."""

    def __init__(self, **settings: Any) -> None:
        underlying = botocore.session.Session()
        # A client without a name of its own makes one up, of a dozen parts, for every call.
        underlying.set_default_client_config(Config(user_agent="tryon-local"))
        super().__init__(botocore_session=underlying, **settings)
        at_once.install(self.events)
        self._build = threading.Lock()
        self._clients: dict[Any, Any] = {}

    def client(self, *args: Any, **kwargs: Any) -> Any:
        key = (args, tuple((name, _comparable(value)) for name, value in sorted(kwargs.items())))
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

    @contextmanager
    def watched(self, event: str, handler: Callable[..., Any]) -> Iterator[None]:
        """Register a botocore event handler with every client, those already made and those still to come."""
        with self._build:
            # A client copies its session's handlers when it is made, and looks at them no more.
            emitters = [self.events, *(client.meta.events for client in self._clients.values())]
            known = set(self._clients)
            for emitter in emitters:
                emitter.register(event, handler)
        try:
            with at_once.watched():
                yield
        finally:
            with self._build:
                later = [client.meta.events for key, client in self._clients.items() if key not in known]
                for emitter in [*emitters, *later]:
                    emitter.unregister(event, handler)


def _comparable(value: Any) -> Any:
    # Each copy of a handler's module makes a configuration of its own, equal to the others in all it says.
    return repr(sorted(vars(value)["_user_provided_options"].items())) if isinstance(value, Config) else value


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


@replaces("moto.core.base_backend:BaseBackend.urls")
def _urls(session: Session, original: Any) -> Any:
    # The original builds them anew for every call, and S3's also load their module anew: a fifth of a run's time.
    known: dict[type, Any] = {}

    def urls(self: Any) -> Any:
        if type(self) not in known:
            known[type(self)] = original.fget(self)
        return known[type(self)]

    return property(urls)


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
