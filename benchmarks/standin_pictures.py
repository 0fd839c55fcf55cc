"""What odd garments cost the stand-in: cats, cups, one colour, one pixel, thin stripes.

`python -m benchmarks.standin_pictures` prints a Markdown table, a line for each of twenty garments: CPU seconds over
those of a usual garment of the same size, and the peak memory of a process that draws it, without the bound on a
garment's size (at most `--most-seconds` and `--most-megabytes`, then "more") and with it. Linux only.

`python -m benchmarks.standin_pictures --folder FOLDER` writes a folder for a run of 300 combinations instead: fifteen
models and the twenty garments, with its manifest; `python -m benchmarks.make_run 200 --slots 20 --manifest …` runs it.
"""

import argparse
import io
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tryon_local.service import picture

SIZE = (600, 800)
MODELS = 15

Draw = Callable[[Image.Image, ImageDraw.ImageDraw], Any]


def _drawn(draw: Draw, ground: tuple[int, int, int] = (235, 233, 228), size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.new("RGB", size, ground)
    draw(image, ImageDraw.Draw(image))
    return image


def _noise(image: Image.Image, draw: ImageDraw.ImageDraw) -> None:
    image.frombytes(random.Random(7).randbytes(image.width * image.height * 3))


def _photograph(image: Image.Image, draw: ImageDraw.ImageDraw) -> None:
    """Soft spots all over, without any background: what a photograph of a room looks like to a flood."""
    dice = random.Random(11)
    small = Image.new("RGB", (12, 16))
    small.frombytes(dice.randbytes(12 * 16 * 3))
    image.paste(small.resize(image.size, Image.Resampling.BICUBIC))


def _cat(image: Image.Image, draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((150, 330, 450, 700), fill=(120, 90, 60))
    draw.ellipse((200, 180, 400, 380), fill=(130, 98, 66))
    for left in (205, 335):
        draw.polygon([(left, 230), (left + 30, 110), (left + 60, 215)], fill=(110, 80, 50))
    draw.line((450, 690, 560, 400, 590, 420), fill=(120, 90, 60), width=6)
    for side in (-1, 1):
        draw.line((300, 300, 300 + side * 220, 280), fill=(40, 40, 40), width=1)


def _cup(image: Image.Image, draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((180, 300, 420, 560), fill=(60, 80, 150))
    draw.arc((380, 340, 520, 500), 270, 90, fill=(60, 80, 150), width=18)


def _shirt(image: Image.Image, draw: ImageDraw.ImageDraw) -> None:
    right = [(370, 160), (520, 300), (460, 370), (410, 320), (410, 640)]
    draw.polygon([*right, *((600 - x, y) for x, y in reversed(right))], fill=(180, 40, 50))


GARMENTS: dict[str, Callable[[], Image.Image]] = {
    "a shirt, as usual": lambda: _drawn(_shirt),
    "a cat": lambda: _drawn(_cat),
    "a cup": lambda: _drawn(_cup),
    "one colour": lambda: _drawn(lambda image, draw: None, (120, 20, 20)),
    "black": lambda: _drawn(lambda image, draw: None, (0, 0, 0)),
    "one pixel": lambda: Image.new("RGB", (1, 1), (200, 30, 40)),
    "one dot": lambda: _drawn(lambda image, draw: draw.point((300, 400), fill=(0, 0, 0))),
    "a hair": lambda: _drawn(lambda image, draw: draw.line((300, 20, 300, 780), fill=(0, 0, 0), width=1)),
    "a slanting thread": lambda: _drawn(lambda image, draw: draw.line((20, 20, 580, 780), fill=(0, 0, 0), width=2)),
    "a level thread": lambda: _drawn(lambda image, draw: draw.line((10, 400, 590, 400), fill=(0, 0, 0), width=2)),
    "thin stripes upright": lambda: _drawn(
        lambda image, draw: [draw.line((x, 0, x, 800), fill=(0, 0, 0)) for x in range(0, 600, 4)]
    ),
    "thin stripes level": lambda: _drawn(
        lambda image, draw: [draw.line((0, y, 600, y), fill=(0, 0, 0)) for y in range(0, 800, 4)]
    ),
    "noise": lambda: _drawn(_noise),
    "a photograph without a background": lambda: _drawn(_photograph),
    "a dumbbell": lambda: _drawn(
        lambda image, draw: [
            draw.ellipse((50, 100, 550, 300), fill=(30, 90, 40)),
            draw.line((300, 290, 300, 520), fill=(30, 90, 40), width=3),
            draw.ellipse((50, 500, 550, 700), fill=(30, 90, 40)),
        ]
    ),
    "an hourglass": lambda: _drawn(
        lambda image, draw: draw.polygon([(40, 40), (560, 40), (304, 400), (560, 760), (40, 760), (296, 400)], fill=9)
    ),
    "a frame": lambda: _drawn(lambda image, draw: draw.rectangle((60, 60, 540, 740), outline=(10, 10, 90), width=3)),
    "a banner": lambda: _drawn(lambda image, draw: draw.rectangle((4, 12, 1990, 18), fill=(0, 0, 0)), size=(2000, 30)),
    "a pole": lambda: _drawn(lambda image, draw: draw.rectangle((12, 4, 18, 1990), fill=(0, 0, 0)), size=(30, 2000)),
    "one pixel wide": lambda: _drawn(
        lambda image, draw: draw.rectangle((0, 500, 1, 1500), fill=(0, 0, 0)), size=(1, 2000)
    ),
}
"""Twenty garments by name, the first of them a usual one."""


def encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def model(number: int) -> bytes:
    """A standing figure, another one for each number."""
    dice = random.Random(number)

    def draw(image: Image.Image, pen: ImageDraw.ImageDraw) -> None:
        skin = (200 - 5 * number, 150 - 4 * number, 120 - 3 * number)
        pen.ellipse((255, 40, 345, 160), fill=skin)
        pen.polygon([(200, 190), (400, 190), (380, 430), (390, 770), (210, 770), (220, 430)], fill=(90, 90, 110))
        pen.rectangle((280, 150, 320, 200), fill=skin)

    return encoded(_drawn(draw, (220 + dice.randrange(20), 225, 228)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="write a manifest of 300 combinations here instead")
    parser.add_argument("--most-seconds", type=int, default=20, metavar="S", help="of CPU for one (%(default)s)")
    parser.add_argument("--most-megabytes", type=int, default=3000, metavar="MB", help="for one (%(default)s)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        _write(options.folder)
    elif options.one:
        _draw(*json.loads(options.one))
    else:
        _table(options.most_seconds, options.most_megabytes)


def _table(most_seconds: int, most_megabytes: int) -> None:
    print("| garment | time, unbound | MB, unbound | time | MB |")
    print("|---|--:|--:|--:|--:|", flush=True)
    usual = None
    for name in GARMENTS:
        cells = []
        for bound in (False, True):
            measured = _measure(name, bound, most_seconds, most_megabytes)
            usual = usual or measured
            if measured is None or usual is None:
                cells += ["more", "more"]
            else:
                cells += [f"{measured[0] / usual[0]:.1f}", f"{measured[1]:.0f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _measure(name: str, bound: bool, seconds: int, megabytes: int) -> tuple[float, float] | None:
    """CPU seconds and peak MB of the dearest of the three types; None where a limit was reached."""
    asked = json.dumps([name, bound, seconds, megabytes])
    command = [sys.executable, "-m", "benchmarks.standin_pictures", "--one", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - itself
    if done.returncode:
        return None
    cpu, peak = json.loads(done.stdout)
    return cpu, peak


def _draw(name: str, bound: bool, seconds: int, megabytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    if not bound:
        picture.SLIMMEST, picture.LARGEST_FIT = 0.0, 1e9
    person, garment = model(0), encoded(GARMENTS[name]())
    dearest = 0.0
    for kind in ("upper", "lower", "full"):
        began = time.process_time()
        try:
            picture.compose(person, [(garment, kind)], seed=1, parameters={})
        except ValueError:
            continue  # too small, which is an answer too
        finally:
            dearest = max(dearest, time.process_time() - began)
    print(json.dumps([dearest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def _write(folder: Path) -> None:
    content: dict[str, object] = {"models": [], "garments": []}
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(MODELS):
        (folder / f"model-{number}.png").write_bytes(model(number))
    for number, draw in enumerate(GARMENTS.values()):
        image = draw()
        image = image if min(image.size) >= 64 else image.resize([max(side, 64) for side in image.size])
        (folder / f"garment-{number}.png").write_bytes(encoded(image))
    kinds = ("upper", "lower", "full")
    content["models"] = [{"id": f"m{n}", "image": f"model-{n}.png"} for n in range(MODELS)]
    content["garments"] = [
        {"id": f"g{n}", "image": f"garment-{n}.png", "type": kinds[n % 3]} for n in range(len(GARMENTS))
    ]
    (folder / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(folder / "manifest.json")


if __name__ == "__main__":
    main()
