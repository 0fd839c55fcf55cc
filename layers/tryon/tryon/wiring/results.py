"""Where the results of a function's tasks come from, beside the service that names them."""

from functools import cached_property
from typing import TYPE_CHECKING

import boto3
import requests
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tryon.task import results
from tryon.task.fetch.origins import OriginPolicy
from tryon.task.fetch.session import guarded_session
from tryon.wiring.service import ServiceWiring

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ResultSettings(BaseModel):
    """Where results may come from."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    policy: OriginPolicy = Field(alias="RESULT_ORIGINS")

    @field_validator("policy", mode="before")
    @classmethod
    def _parse(cls, value: str) -> OriginPolicy:
        return OriginPolicy.parse(value)


class ResultWiring(ServiceWiring):
    """A function's parts, the way to results among them."""

    @cached_property
    def policy(self) -> OriginPolicy:
        """The hosts that results may come from."""
        return ResultSettings.model_validate(self.environ).policy

    @cached_property
    def session(self) -> requests.Session:
        """A session that fetches from those hosts alone."""
        return self.mounted(guarded_session(self.policy))

    @cached_property
    def s3(self) -> "S3Client":
        """S3's client, which can send a stream that it cannot rewind."""
        return boto3.client("s3", config=results.client_config())
