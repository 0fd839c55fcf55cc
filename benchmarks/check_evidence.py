"""What the stack would keep of the benchmark's pictures: `python -m benchmarks.check_evidence PICTURES EVIDENCE`.

PICTURES is what `python -m benchmarks.check_pictures` wrote. Each result gets its copy, its signature and its
measurements by the stack's own code, and the two plain measures that the checks are held against: the SSIM of the whole
picture (Wang et al., IEEE Transactions on Image Processing 13, 2004) and a perceptual hash (the lowest 8 × 8 cosine
coefficients of a 32 × 32 picture, each above their median or not), both beside the model's photograph. What it took is
said at the end: milliseconds of CPU a result, and the peak in MB of a process that measures one result and does nothing
else, as the function Check does. `--faces network` needs `make weights`.
"""

import argparse
import json
import math
import multiprocessing
import sys
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.peak import peak
from sam.weights import FOLDER as WEIGHTS
from tryon.checks.faces import Faces
from tryon.checks.measures import GarmentPhotograph, Options, measure
from tryon.checks.vocabulary import FaceChecks
from tryon.parameters import GarmentType
from tryon.pictures import thumbnails
from tryon.pictures.signature import signature

Grey = NDArray[np.float64]

SIZE = (384, 512)
"""Pixels of both pictures for SSIM, however large they are."""

_WINDOW = 8
_FLOORS = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)


class Clock:
    """Milliseconds of CPU by what they were spent on."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._times: defaultdict[str, int] = defaultdict(int)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what happens inside."""
        before = time.process_time()
        yield
        self._seconds[name] += time.process_time() - before
        self._times[name] += 1

    def told(self) -> str:
        """The means."""
        return ", ".join(f"{name} {1000 * self._seconds[name] / self._times[name]:.0f} ms" for name in self._seconds)


def opened(data: bytes) -> Image.Image:
    """A picture of bytes, decoded."""
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        return image.convert("RGB")


def ssim(one: Grey, other: Grey) -> float:
    """The mean structural similarity of two pictures of one size, over windows of 8 × 8 pixels side by side."""

    def windows(picture: Grey) -> Grey:
        rows, columns = (side // _WINDOW for side in picture.shape)
        cut = picture[: rows * _WINDOW, : columns * _WINDOW].reshape(rows, _WINDOW, columns, _WINDOW)
        return cut.transpose(0, 2, 1, 3).reshape(rows * columns, -1)

    a, b = windows(one), windows(other)
    means = a.mean(1), b.mean(1)
    shared = ((a - means[0][:, None]) * (b - means[1][:, None])).mean(1)
    light, structure = _FLOORS
    value = (2 * means[0] * means[1] + light) * (2 * shared + structure)
    value /= (means[0] ** 2 + means[1] ** 2 + light) * (a.var(1) + b.var(1) + structure)
    return float(value.mean())


def perceptual_hash(image: Image.Image) -> NDArray[np.bool_]:
    """64 bits."""
    pixels = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    steps = np.arange(32)
    cosines = np.cos(math.pi / 32 * np.outer(np.arange(8), steps + 0.5))
    lowest = (cosines @ pixels @ cosines.T).ravel()
    bits: NDArray[np.bool_] = lowest > np.median(lowest)
    return bits


def grey(image: Image.Image) -> Grey:
    """Brightness at `SIZE`."""
    return np.asarray(image.convert("L").resize(SIZE, Image.Resampling.BOX), np.float64)


def main() -> int:
    """Measure them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("evidence", type=Path)
    parser.add_argument(
        "--part", nargs=2, type=int, default=(0, 1), metavar=("I", "N"), help="every Nth from the Ith on"
    )
    modes = [FaceChecks.STRUCTURE.value, FaceChecks.NETWORK.value]
    parser.add_argument("--faces", choices=modes, default=modes[0], help="how faces are looked at (%(default)s)")
    options = parser.parse_args()
    if options.faces == FaceChecks.NETWORK.value and not WEIGHTS.is_dir():
        parser.error("the network's weights are not there: run make weights")
    folder: Path = options.pictures
    clock, faces = Clock(), Faces(WEIGHTS)

    @cache
    def photograph(name: str) -> Image.Image:
        return opened(thumbnails.copies((folder / name).read_bytes())["previews"])

    begin, step = options.part
    cases = json.loads((folder / "cases.json").read_text())
    with options.evidence.open("w") as out:
        for model in dict.fromkeys(case["model"] for case in cases if begin == 0):
            name = f"model {model}.jpg"
            seen = signature(photograph(name), opened((folder / name).read_bytes()).size)
            out.write(_line(photograph=model, signature=_text(seen.dumps())))
        for number, case in enumerate(cases[begin::step], start=1):
            of_model, of_garment, of_result = _files(case)
            model, worn, data = photograph(of_model), photograph(of_garment), (folder / of_result).read_bytes()
            with clock.of("both copies of a result"):
                preview = thumbnails.copies(data)["previews"]
            with clock.of("its signature, decoding the copy included"):
                seen = signature(opened(preview), opened(data).size)
            with clock.of(f"its measurements, faces by {options.faces}"):
                garments = [GarmentPhotograph(worn, case["type"])]
                measured = measure(opened(preview), model, garments, Options(faces=FaceChecks(options.faces)), faces)
            result = opened(preview)
            apart = int((perceptual_hash(result) != perceptual_hash(model)).sum())
            plain = {"ssim": round(ssim(grey(result), grey(model)), 4), "hash": apart}
            kept = {name: value for name, value in case.items() if name != "file"}
            out.write(_line(**kept, signature=_text(seen.dumps()), measurements=_text(measured.dumps()), plain=plain))
            if number % 100 == 0:
                print(f"{number} of {len(cases) // step}", flush=True)
    small = [thumbnails.copies((folder / name).read_bytes())["previews"] for name in _files(cases[begin])]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        megabytes = pool.submit(_peak, small, cases[begin]["type"], options.faces).result()
    print(f"CPU a result: {clock.told()}; {megabytes:.0f} MB peak of one measurement")
    return 0


def _files(case: Mapping[str, str]) -> tuple[str, str, str]:
    return f"model {case['model']}.jpg", f"garment {case['garment']}.jpg", case["file"]


def _peak(small: Sequence[bytes], kind: GarmentType, faces: str) -> float:
    """This process's peak in MB after it measured a result; the small copies are the model's, garment's, result's."""
    model, worn, result = map(opened, small)
    measure(result, model, [GarmentPhotograph(worn, kind)], Options(faces=FaceChecks(faces)), Faces(WEIGHTS))
    return peak() / 1e6


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _line(**fields: object) -> str:
    return json.dumps(fields, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    sys.exit(main())
