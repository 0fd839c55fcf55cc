"""Clients of a stack that is served on this machine, whatever the person's environment says of others."""

import threading
from typing import Any

import botocore.session
from botocore.config import Config

from tryon_local.environment import FIXED, isolated


class LocalClients:
    """A boto3-like client for each service at an address here: no profile, no proxy, no endpoint of anyone else's."""

    def __init__(self, url: str, region: str = "us-east-1") -> None:
        self._url, self._region = url, region
        self._building = threading.Lock()
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        with self._building:
            if service not in self._clients:
                # A client reads the environment when it is made, and its proxies then too.
                with isolated(self._region):
                    self._clients[service] = botocore.session.Session().create_client(
                        service,
                        region_name=self._region,
                        endpoint_url=self._url,
                        aws_access_key_id=FIXED["AWS_ACCESS_KEY_ID"],
                        aws_secret_access_key=FIXED["AWS_SECRET_ACCESS_KEY"],
                        # No host like sync-states.127.0.0.1 exists; links are signed as against a deployed stack.
                        config=Config(inject_host_prefix=False, signature_version="s3v4" if service == "s3" else None),
                    )
            return self._clients[service]
