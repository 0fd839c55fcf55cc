"""The pictures of README and of docs/architecture.md, from runs of the samples on the embedded stack.

`python -m benchmarks.readme_pictures` writes them to docs/pictures: an example (model + garment = result), a loop of a
run in the console that ends with its gallery, the console, and the gallery in light and in dark; from a second run,
with flawed pictures, the gallery that shows the odd ones first. It needs Debian's chromium. The results are the
stand-in's, pasted together from both inputs: README says so.
"""

import io
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.end_to_end.local_stack import local_up
from tryon.keys import RunFolder
from tryon_cli.main import main as command
from tryon_cli.target import Target, connect
from tryon_local.app import ROOT

FOLDER = ROOT / "docs" / "pictures"
SAMPLES = ROOT / "samples"
SPEED = 12.0
WINDOW = (1280, 800)
LOOP_WIDTH = 960
EVERY_MS = 700
"""Of this machine's time, between two pictures of the console."""
LAST_MS = 2600
"""How long the loop shows its end."""


def main() -> int:
    """Run the samples, without and with flaws, and write all pictures."""
    with local_up(SPEED) as (port, log):
        console = next(word for word in log.split() if word.startswith("http") and f":{port}" not in word)
        stack = connect("local", port=port)
        runs = threading.Thread(target=command, args=(["run", str(SAMPLES / "manifest.json"), "--port", str(port)],))
        runs.start()
        with tempfile.TemporaryDirectory() as folder:
            _photograph(stack, console, runs, Path(folder))
        _example(stack)
    with local_up(SPEED, SAMPLES / "faults-pictures.json") as (port, _):
        command(["run", str(SAMPLES / "manifest-checks.json"), "--port", str(port)])
        with tempfile.TemporaryDirectory() as folder:
            _flags(connect("local", port=port), Path(folder))
    return 0


def _photograph(stack: Target, console: str, runs: threading.Thread, folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        frames = _frames(browser, console, runs)
        gallery = _gallery(stack, folder)
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{gallery.as_uri()}#rows=models")
            page.wait_for_selector("#shown:not(:empty)")
            shot = page.screenshot()
            _saved(shot, FOLDER / f"gallery-{scheme}.webp")
            if scheme == "light":
                page.set_viewport_size({"width": WINDOW[0], "height": WINDOW[1]})
                page.wait_for_timeout(300)
                frames.append(page.screenshot())
            context.close()
        browser.close()
    _loop(frames)


def _frames(browser: Any, console: str, runs: threading.Thread) -> list[bytes]:
    """The console's page while the run goes on, and at its end."""
    page = browser.new_context(viewport={"width": WINDOW[0], "height": WINDOW[1]}).new_page()
    page.goto(console)
    page.locator("#runs button").first.click()
    page.locator(".row").first.wait_for()
    frames = []
    while runs.is_alive():
        frames.append(page.screenshot())
        page.wait_for_timeout(EVERY_MS)
    page.locator("#head .pill", has_text="Complete").wait_for()
    end = page.screenshot()
    _saved(end, FOLDER / "console.webp")
    return [*frames, end]


def _flags(stack: Target, folder: Path) -> None:
    """The gallery as a reviewer finds it after a run with odd results: those first, each with its reason."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 640})
        page.goto(f"{_gallery(stack, folder).as_uri()}#sort=worst&view=cards")
        page.wait_for_selector("#shown:not(:empty)")
        _saved(page.screenshot(), FOLDER / "flags.webp")
        browser.close()


def _gallery(stack: Target, folder: Path) -> Path:
    path = folder / "index.html"
    key = RunFolder(stack.ledger.runs(1)[0].run_id).gallery
    path.write_bytes(stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read())
    return path


def _saved(shot: bytes, path: Path) -> None:
    Image.open(io.BytesIO(shot)).convert("RGB").save(path, quality=88, method=6)


def _loop(frames: Sequence[bytes]) -> None:
    """An animated WebP; frames like the one before are left out, their time is the earlier one's."""
    shown: list[Image.Image] = []
    durations: list[int] = []
    for data in frames:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        image = image.resize((LOOP_WIDTH, round(image.height * LOOP_WIDTH / image.width)), Image.Resampling.LANCZOS)
        if shown and image.tobytes() == shown[-1].tobytes():
            durations[-1] += 350
            continue
        shown.append(image)
        durations.append(350)
    durations[-2:] = [LAST_MS // 2, LAST_MS]
    path = FOLDER / "run.webp"
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=durations, loop=0, quality=62, method=6)


def _example(stack: Target) -> None:
    """Model + garment = result, as a shop sees it."""
    entry = next(one for one in stack.ledger.entries(stack.ledger.runs(1)[0].run_id) if "summer-dress" in one.id)
    result = stack.s3.get_object(Bucket=stack.bucket, Key=entry.results[0].key)["Body"].read()
    model = next((SAMPLES / "inputs" / "models").glob(f"{entry.model}.*"))
    garment = next((SAMPLES / "inputs" / "garments").glob(f"{entry.garments[0]}.*"))
    parts = [Image.open(model), Image.open(garment), Image.open(io.BytesIO(result))]
    height, gap = 720, 88
    scaled = [one.convert("RGB").resize((round(one.width * height / one.height), height)) for one in parts]
    canvas = Image.new("RGB", (sum(one.width for one in scaled) + 2 * gap, height), "white")
    pen, font, x = ImageDraw.Draw(canvas), ImageFont.load_default(64), 0
    for one, sign in zip(scaled, ("+", "=", ""), strict=True):
        canvas.paste(one, (x, 0))
        x += one.width
        pen.text((x + gap / 2, height / 2), sign, fill="#8d3b22", font=font, anchor="mm")
        x += gap
    canvas.save(FOLDER / "example.webp", quality=88, method=6)


if __name__ == "__main__":
    raise SystemExit(main())
