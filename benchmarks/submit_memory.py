"""Peak memory of one submission of 3 × 5 MB pictures, for each client and for a plain script with the SDK.

    python benchmarks/submit_memory.py

Every measurement is a process of its own, against a server on the loopback interface that only counts. `extra` is
how far the process's peak (ru_maxrss) rose over what it held just before the call, pictures included; `python` is
the same by tracemalloc, in another process, since tracing costs memory itself.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "layers/tryon")]

MB = 1_000_000
KEYS = ("AKLTEXAMPLEDUMMY", "dummy-secret")
CLIENTS = ("signed", "sdk", "plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=3)
    parser.add_argument("--size", type=float, default=5.0, help="of each picture, in MB")
    parser.add_argument("--measure", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--trace", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        pictures = [random.Random(number).randbytes(int(options.size * MB)) for number in range(options.pictures)]
        print(json.dumps(measure(options.measure, pictures, options.port, trace=options.trace)))
        return

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    payload = options.pictures * options.size
    print(f"{options.pictures} pictures of {options.size:g} MB: {payload:g} MB, {payload * 4 / 3:.1f} MB as base64\n")
    heads = ("extra MB", "× payload", "python MB", "× payload", "peak MB", "seconds")
    print(f"{'client':8}{''.join(f'{head:>11}' for head in heads)}")
    for client in CLIENTS:
        found: dict[str, float] = {}
        for trace in ([], ["--trace"]):
            command = [sys.executable, __file__, "--measure", client, "--port", str(server.server_port), *trace]
            command += ["--pictures", str(options.pictures), "--size", str(options.size)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ourselves
            found |= json.loads(done.stdout)
        numbers = (
            f"{found['extra']:.1f}",
            f"{found['extra'] / payload:.2f}",
            f"{found['python']:.1f}",
            f"{found['python'] / payload:.2f}",
            f"{found['peak']:.0f}",
            f"{found['seconds']:.2f}",
        )
        print(f"{client:8}{''.join(f'{number:>11}' for number in numbers)}")
    server.shutdown()
    server.server_close()


def measure(client: str, pictures: list[bytes], port: int, *, trace: bool) -> dict[str, float]:
    """Memory in MB of one submission, after a small one that imports what is imported late."""
    submit = {"signed": through_build, "sdk": through_build, "plain": by_a_plain_script}[client](client, port)
    submit([b"warm", b"up", b"!"][: len(pictures)])
    if trace:
        tracemalloc.start()
        submit(pictures)
        return {"python": tracemalloc.get_traced_memory()[1] / MB}
    forget_the_peak()
    before = peak_memory()
    started = time.perf_counter()
    submit(pictures)
    seconds = time.perf_counter() - started
    return {"extra": (peak_memory() - before) / MB, "peak": peak_memory() / MB, "seconds": seconds}


def through_build(client: str, port: int) -> Callable[[list[bytes]], object]:
    """One of this project's clients."""
    import requests

    from tryon.clock import SystemClock
    from tryon.service import GarmentPicture, Submission, registry
    from tryon.service.secret import Secret
    from tryon.service.volcengine.credentials import Credentials
    from tryon.service.volcengine.parameters import Parameters

    class Keys:
        def __call__(self) -> Credentials:
            return Credentials(*KEYS)

        def renew(self, refused: Secret) -> Credentials:
            return self()

    service = registry.build(
        registry.find(registry.FIRST),
        requests.Session(),
        credentials=Keys(),
        clock=SystemClock(),
        endpoint=f"http://127.0.0.1:{port}",
        options={"client": client},
    )

    def submit(pictures: list[bytes]) -> object:
        garments = tuple(GarmentPicture(picture, "upper") for picture in pictures[1:])
        return service.submit(Submission(pictures[0], garments, Parameters()))

    return submit


def by_a_plain_script(_: str, port: int) -> Callable[[list[bytes]], object]:
    """What the SDK's own examples do."""
    import base64

    from volcengine.visual.VisualService import VisualService

    visual = VisualService()
    visual.set_ak(KEYS[0])
    visual.set_sk(KEYS[1])
    visual.set_host(f"127.0.0.1:{port}")

    def submit(pictures: list[bytes]) -> object:
        return visual.cv_submit_task(
            {
                "req_key": "dressing_diffusionV2",
                "req_image_store_type": 0,
                "binary_data_base64": [base64.b64encode(picture).decode() for picture in pictures],
                "garment": {"data": [{"type": "upper"} for _ in pictures[1:]]},
            }
        )

    return submit


def forget_the_peak() -> None:
    """Count ru_maxrss from here on, where Linux allows it, so that the imports' peak does not hide the call's."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        print("the peak before the call cannot be forgotten: `extra` may be too small", file=sys.stderr)


def peak_memory() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


class _Counting(BaseHTTPRequestHandler):
    """Takes a body in small pieces and gives a receipt."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        receipt = b'{"code": 10000, "data": {"task_id": "1"}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(receipt)))
        self.end_headers()
        self.wfile.write(receipt)

    def log_message(self, *args: object) -> None: ...


if __name__ == "__main__":
    os.environ["no_proxy"] = "127.0.0.1"
    main()
