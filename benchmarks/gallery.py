"""What the gallery costs its reader, in headless Chromium: `python -m benchmarks.gallery`.

Keys to judge 18 pictures and to pick one of four for 30 products; share of the first screen that is pictures; bytes,
first paint (medians of five openings in units of the 18's, since a machine's seconds say nothing), memory and cells in
the page for runs of several sizes. Needs Debian's chromium and playwright, as the tests of pages do.

Seconds of judging are a model's, not a person's: 0.28 s a key and 1.35 s to make up one's mind (Card, Moran and Newell,
"The keystroke-level model for user performance time with interactive systems", 1980); what looking takes comes on top.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.lookbook import FOLDER, Lookbook, Shelf, jpeg, publish

SIZES = ((2, 9), (2, 120), (24, 50), (100, 100))
"""Models and garments of the runs: 18, 240, 1,200, 10,000 combinations."""

OPENINGS = 5
KEY_SECONDS, MIND_SECONDS = 0.28, 1.35
"""Of the keystroke-level model: a key of an average typist who is not skilled, and a decision before it."""

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"

PICTURES = """() => {
  const inside = (from, to, most) => Math.max(0, Math.min(to, most) - Math.max(from, 0));
  const seen = [...document.querySelectorAll('main img')].map(image => {
    const box = image.getBoundingClientRect(), {naturalWidth: w, naturalHeight: h} = image;
    // A picture that is whole in a larger box fills only its own part of it.
    const scale = Math.min(box.width / w, box.height / h), wide = w * scale, high = h * scale;
    const left = box.left + (box.width - wide) / 2, top = box.top + (box.height - high) / 2;
    const heads = document.querySelector('.heads')?.getBoundingClientRect().bottom ?? 0;
    const least = image.closest('.heads') ? 0 : heads;
    const seenHigh = Math.max(0, Math.min(top + high, innerHeight) - Math.max(top, least));
    return inside(left, left + wide, innerWidth) * seenHigh;
  });
  return seen.reduce((sum, area) => sum + area, 0) / (innerWidth * innerHeight);
}"""


def book(models: int, garments: int, **more: Any) -> Lookbook:
    """A run whose copies have the bytes and the pixels of photographs."""
    made = Lookbook(models=models, garments=garments, **more)
    for n, key in enumerate(made.pictures):
        wide, high = (675, 900) if "/previews/" in key else (240, 320)
        made.pictures[key] = jpeg(wide, high, n % 7, noise=35)
    return made


def text_of(made: Lookbook) -> str:
    """The page that Summarize would write: of a large run, its index."""
    shelf = Shelf(made.pictures)
    publish(shelf, made)
    return shelf.objects[FOLDER.gallery].decode()


@contextmanager
def opened(browser: Any, text: str, width: int = 1440, height: int = 900, fragment: str = "") -> Iterator[Any]:
    """The page in a window of that size, once its first picture is there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FOLDER.gallery
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
        context = browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        page.goto(path.as_uri() + fragment)
        page.locator(".cell img").first.wait_for()
        yield page
        context.close()


def keys_to_judge(browser: Any) -> tuple[int, int]:
    """Keys for 18 pictures, and for one of four for 30 products; both counted as the page takes them."""
    counted = []
    for made, first, keys in (
        (book(2, 9), ["Enter"], "pxgclfhakrpppppppp"),
        (book(1, 30, candidates=4), ["Enter", "d"], "123412341234123412341234123412"),
    ):
        with opened(browser, text_of(made)) as page:
            page.locator(".cell").first.focus()
            for key in [*first, *keys]:
                page.keyboard.press(key)
            judged = page.evaluate("Object.keys(JSON.parse(Object.values(localStorage)[0]).marks).length")
            if judged != len(keys):
                raise RuntimeError(f"{judged} pictures were judged with {len(keys)} keys")
            counted.append(len(first) + len(keys))
    return counted[0], counted[1]


def seconds(keys: int, decisions: int) -> float:
    """What the keystroke-level model says of that many keys and decisions."""
    return keys * KEY_SECONDS + decisions * MIND_SECONDS


def main() -> None:
    """Print all figures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--enable-precise-memory-info"])
        eighteen, thirty = keys_to_judge(browser)
        print(f"keys to judge 18 pictures: {eighteen}; to pick one of four for 30 products: {thirty}")
        print(f"seconds of hand and mind: {seconds(eighteen, 18):.0f}; {seconds(thirty, 30):.0f}")
        with opened(browser, text_of(book(2, 9))) as page:
            print(f"pictures on the first screen, 18 at 1440 x 900: {100 * page.evaluate(PICTURES):.0f} %")
        with opened(browser, text_of(book(2, 9)), 3840, 2160) as page:
            print(f"pictures on the first screen, 18 at 3840 x 2160: {100 * page.evaluate(PICTURES):.0f} %")
        with opened(browser, text_of(book(24, 50))) as page:
            print(f"pictures on the first screen, 1,200 at 1440 x 900: {100 * page.evaluate(PICTURES):.0f} %")
        base = 0.0
        print("\n| combinations | page MB | first paint | heap MB | cells in the page |\n|---:|---:|---:|---:|---:|")
        for models, garments in SIZES:
            text = text_of(book(models, garments))
            paints = []
            for _ in range(OPENINGS):
                with opened(browser, text) as page:
                    paints.append(page.evaluate(PAINTED))
                    heap = page.evaluate("performance.memory.usedJSHeapSize")
                    cells = page.locator(".cell").count()
            took = median(paints)
            base = base or took
            print(f"| {models * garments:,} | {len(text) / 1e6:.1f} | {took / base:.1f} | {heap / 1e6:.0f} | {cells} |")
        browser.close()


if __name__ == "__main__":
    main()
