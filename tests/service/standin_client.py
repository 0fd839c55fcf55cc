"""What the stand-in's tests share: a clock, pictures, a client signed by the vendor's SDK."""

import base64
import io
import json
from datetime import UTC, datetime
from typing import Any

import requests
from PIL import Image
from volcengine.auth.SignerV4 import SignerV4
from volcengine.auth.SignParam import SignParam
from volcengine.Credentials import Credentials

from tryon_local.service.transport import StandInAdapter
from tryon_local.service.volcengine.standin import ACCESS_KEY, SECRET_KEY, StandIn

REQ_KEY = "dressing_diffusionV2"
HOST = "visual.volcengineapi.com"
START = 1_800_000_000.0


def picture(colour: str, form: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    """An encoded picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, form)
    return buffer.getvalue()


MODEL = picture("red")
SHIRT = picture("blue")
TROUSERS = picture("green")


def order(
    *garments: tuple[bytes, str], model: bytes = MODEL, config: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A submit body, by default one shirt on the model; `fields` replace whole fields of it."""
    worn = garments or ((SHIRT, "upper"),)
    return {
        "req_key": REQ_KEY,
        "req_image_store_type": 0,
        "binary_data_base64": [base64.b64encode(data).decode() for data in (model, *(d for d, _ in worn))],
        "garment": {"data": [{"type": kind} for _, kind in worn]},
        "inference_config": config or {},
    } | fields


def signed_headers(  # noqa: PLR0913 - a case has many parts
    body: bytes,
    *,
    action: str,
    at: float,
    version: str = "2022-08-31",
    host: str = HOST,
    access_key: str = ACCESS_KEY,
    secret_key: str = SECRET_KEY,
    region: str = "cn-north-1",
    token: str = "",
    extra: dict[str, str] | None = None,
) -> dict[str, str]:
    """Every header of a call, signed by the vendor's own signer."""
    parameters = SignParam()
    parameters.host, parameters.method, parameters.path = host, "POST", "/"
    parameters.body = body
    parameters.query = {"Action": action, "Version": version}
    parameters.header_list = {"Content-Type": "application/json", "Host": host, **(extra or {})}
    parameters.date = datetime.fromtimestamp(at, UTC)
    credentials = Credentials(access_key, secret_key, "cv", region)
    if token:
        credentials.set_session_token(token)
    result = SignerV4.sign_only(parameters, credentials)
    return {**parameters.header_list, "Authorization": result.authorization}


class Client:
    """Calls a stand-in in process; further arguments of a call are given to `signed_headers`."""

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin
        self.session = requests.Session()
        self.session.mount("https://", StandInAdapter(standin))
        self.session.mount("http://", StandInAdapter(standin))

    @property
    def passed(self) -> float:
        """The clock's seconds since it was made."""
        return self.standin.clock.now() - START

    def post(
        self,
        action: str,
        body: bytes,
        *,
        headers: dict[str, str] | None = None,
        timeout: Any = (3, 30),
        version: str = "2022-08-31",
        data: Any = None,
        **signing: Any,
    ) -> requests.Response:
        if headers is None:
            signing = {"at": self.standin.clock.now(), **signing}
            headers = signed_headers(body, action=action, version=version, **signing)
        return self.session.post(
            f"https://{HOST}/?Action={action}&Version={version}",
            data=body if data is None else data,
            headers=headers,
            timeout=timeout,
        )

    def submit(self, body: dict[str, Any] | None = None, **signing: Any) -> requests.Response:
        return self.post("CVSubmitTask", json.dumps(body or order()).encode(), **signing)

    def result(self, task_id: str, *, return_url: bool | None = True, **signing: Any) -> requests.Response:
        wishes = {} if return_url is None else {"req_json": json.dumps({"return_url": return_url})}
        body = {"req_key": REQ_KEY, "task_id": task_id, **wishes}
        return self.post("CVGetResult", json.dumps(body).encode(), **signing)

    def task(self, body: dict[str, Any] | None = None) -> str:
        """Submit and return the id of the task that was made."""
        answer = self.submit(body).json()
        assert answer["code"] == 10000, answer
        return str(answer["data"]["task_id"])

    def data(self, task_id: str, *, return_url: bool | None = True) -> dict[str, Any]:
        """The data of a result call that succeeds."""
        answer = self.result(task_id, return_url=return_url).json()
        assert answer["code"] == 10000, answer
        return dict(answer["data"])
