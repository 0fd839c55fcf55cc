"""Where the results of a function's tasks come from, beside the service that names them."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import requests

from tryon.service import registry
from tryon.task import results
from tryon.task.fetch.origins import OriginPolicy
from tryon.task.fetch.session import guarded_session
from tryon.wiring.own import OwnSettings
from tryon.wiring.service import ServiceWiring

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ResultSettings(OwnSettings):
    """Where a service's results may come from, besides what is in code: separated by blanks or commas."""

    FIRST_NAMES = {"result_origins": "RESULT_ORIGINS"}  # noqa: RUF012

    result_origins: str = ""


class ResultWiring(ServiceWiring):
    """A function's parts, the way to results among them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self._sessions: dict[str, requests.Session] = {}
        self._policies: dict[str, OriginPolicy] = {}

    def policy(self, service: str) -> OriginPolicy:
        """The hosts that a service's results may come from, by its key.

        A service that is a stand-in on this machine has its results there too.
        """
        capabilities = registry.find(service)
        if capabilities.key not in self._policies:
            origins = ResultSettings.of(self.environ, capabilities.service).result_origins
            endpoint = self.service_settings(service).endpoint
            standin = endpoint if endpoint.startswith("http://") else ""
            known = origins or " ".join([*capabilities.result_origins, standin])
            self._policies[capabilities.key] = OriginPolicy.parse(known)
        return self._policies[capabilities.key]

    def session(self, service: str) -> requests.Session:
        """A session that fetches from those hosts alone."""
        key = registry.find(service).key
        if key not in self._sessions:
            self._sessions[key] = self.mounted(guarded_session(self.policy(service)))
        return self._sessions[key]

    @cached_property
    def s3(self) -> "S3Client":
        """S3's client, which can send a stream that it cannot rewind."""
        return boto3.client("s3", config=results.client_config())
