"""One submit through a vendor's own package, as its documentation shows it, at an address of this machine.

    python -m benchmarks.sdk_submit PACKAGE ADDRESS

Run by `benchmarks.sdk_posts` in an environment of its own. Only time-outs are shortened and pauses skipped; what is
sent again is what the package sends by default. Prints how many connections were asked for.
"""

import asyncio
import base64
import os
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

SECONDS = 0.6
"""After which a package gives an answer up."""

PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG dummy").decode()


def fashn(address: str) -> object:
    """FASHN."""
    from fashn import Fashn

    inputs = {"model_image": PICTURE, "garment_image": PICTURE}
    client: Any = Fashn(api_key="dummy", base_url=address, timeout=SECONDS)
    return client.predictions.run(model_name="tryon-v1.6", inputs=inputs)


def fal_client(address: str) -> object:
    """fal; its address is written into it, with https."""
    from fal_client import SyncClient, client

    client.QUEUE_URL_FORMAT = f"{address}/"
    arguments = {"human_image_url": PICTURE, "garment_image_url": PICTURE}
    return SyncClient(key="dummy", default_timeout=SECONDS).submit("fal-ai/leffa/virtual-tryon", arguments=arguments)


def volcengine(address: str) -> object:
    """Volcengine."""
    from volcengine.visual.VisualService import VisualService

    service = VisualService()
    service.set_ak("dummy")
    service.set_sk("dummy")
    service.set_scheme("http")
    service.set_host(urlsplit(address).netloc)
    service.set_connection_timeout(1)
    service.set_socket_timeout(SECONDS)
    answer: object = service.cv_submit_task({"req_key": "dressing_diffusionV2"})
    return answer


def dashscope(address: str) -> object:
    """Alibaba's DashScope, which has no class of its own for try-on: its class for pictures."""
    import dashscope as package
    from dashscope import ImageSynthesis

    package.base_http_api_url = f"{address}/api/v1"
    answer: object = ImageSynthesis.async_call(
        model="wanx-v1", prompt="dummy", api_key="dummy", request_timeout=SECONDS
    )
    return answer


def replicate(address: str) -> object:
    """Replicate."""
    import httpx
    from replicate.client import Client

    client = Client(api_token="dummy", base_url=address, timeout=httpx.Timeout(SECONDS))  # noqa: S106 - opens nothing
    return client.predictions.create(version="0" * 64, input={"human_img": PICTURE, "garm_img": PICTURE})


def google_genai(address: str) -> object:
    """Google's package, whose answer is the picture itself."""
    from google import genai
    from google.auth.credentials import AnonymousCredentials
    from google.genai import types

    options = types.HttpOptions(base_url=address, timeout=int(SECONDS * 1000))
    credentials: Any = AnonymousCredentials()
    credentials.token = "dummy"  # noqa: S105 - opens nothing
    client = genai.Client(
        vertexai=True, project="dummy", location="us-central1", credentials=credentials, http_options=options
    )
    picture = types.Image(image_bytes=b"dummy", mime_type="image/png")
    source = types.RecontextImageSource(
        person_image=picture, product_images=[types.ProductImage(product_image=picture)]
    )
    return client.models.recontext_image(model="virtual-try-on-001", source=source)


def boto3(address: str) -> object:
    """AWS's, for an asynchronous endpoint of SageMaker."""
    import boto3 as package
    from botocore.config import Config

    client: Any = package.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        endpoint_url=address,
        aws_access_key_id="dummy",
        aws_secret_access_key="dummy",  # noqa: S106 - opens nothing
        config=Config(connect_timeout=1, read_timeout=SECONDS),
    )
    return client.invoke_endpoint_async(EndpointName="dummy", InputLocation="s3://dummy/input.json")


PACKAGES: dict[str, Callable[[str], object]] = {
    "volcengine": volcengine,
    "fashn": fashn,
    "fal-client": fal_client,
    "dashscope": dashscope,
    "replicate": replicate,
    "google-genai": google_genai,
    "boto3": boto3,
}


def main(name: str, address: str) -> None:
    """Submit once, whatever comes of it."""
    port = urlsplit(address).port
    asked = 0

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal asked
        if event == "socket.connect" and arguments[1][1] == port:
            asked += 1

    async def no_pause(*_: object) -> None:
        return None

    sys.addaudithook(note)
    time.sleep = lambda _: None
    asyncio.sleep = no_pause  # type: ignore[assignment]
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(variable, None)
        os.environ.pop(variable.lower(), None)
    try:
        outcome = f"returned {type(PACKAGES[name](address)).__name__}"
    except Exception as error:  # noqa: BLE001 - every package has its own
        outcome = f"raised {type(error).__name__}: {' '.join(str(error).split())}"[:300]
    sys.stdout.write(f"{asked} {outcome}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
