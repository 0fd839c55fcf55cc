"""Pictures as cameras make them, and pictures made to cost more than they look."""

import json
import os
import random
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from benchmarks import pictures
from benchmarks.pictures import encoded, exif, graphic, photograph, png, png_chunk, with_chunks
from tryon.pictures import containers, images
from tryon.pictures.formats import FORMATS
from tryon.pictures.images import BUDGET_BYTES, MOST_PIXELS, USUAL, ImageError, prepare, thumbnail
from tryon.pictures.memory import Budget

ROOT = Path(__file__).parents[2]


# --- sensors on sale ---


def claiming(data: bytes, size: tuple[int, int]) -> bytes:
    """A JPEG whose frame header claims another size."""
    at = next(m.start() for m in re.finditer(rb"\xff[\xc0-\xc2]", data))
    return data[: at + 5] + struct.pack(">HH", size[1], size[0]) + data[at + 9 :]


@contextmanager
def measured(data: bytes, max_side: int = 1920) -> Iterator[images._File]:
    with images._file(data, max_side) as file:
        yield file


@pytest.mark.parametrize("size", [(11648, 8736), (11656, 8742), (14204, 10652), (16320, 12240)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"progressive": True, "subsampling": "4:4:4"}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_sensor_on_sale_is_taken_as_jpeg(size: tuple[int, int], options: dict[str, object], mode: str) -> None:
    data = claiming(encoded(graphic().convert(mode), "JPEG", **options), size)
    with measured(data) as file:
        assert file.size == size
        assert file.memory < BUDGET_BYTES


def test_a_studio_camera_makes_a_picture_that_is_sent() -> None:
    data = encoded(Image.new("RGB", (11648, 8736), (200, 180, 160)), "JPEG", quality=50)
    picture = prepare(data, name="studio.jpg")
    assert (picture.width, picture.height) == (1920, 1440)
    assert picture.changes[0] == "resized from 11648 x 8736 pixels"


@pytest.mark.parametrize("size", [(8160, 6144), (8192, 6144), (9000, 6111)])
def test_every_telephone_is_taken_in_any_format(size: tuple[int, int]) -> None:
    assert all(most >= 55_000_000 for most in MOST_PIXELS.values())
    for kind in ("PNG", "WebP", "HEIC", "AVIF"):
        for alpha in (False, True):
            walk = containers.Walk((memoryview(b""),), size=size, bits=12, transparent=alpha)
            assert images._memory(kind, walk, size, 4088, alpha=alpha or kind == "WebP") < BUDGET_BYTES
    grey = containers.Walk((memoryview(b""),), size=size, bits=16, channels=1, transparent=True)
    assert images._memory("PNG", grey, size, 4088, alpha=True) < BUDGET_BYTES


def test_every_format_has_a_limit() -> None:
    assert {name.partition(" ")[0] for name in MOST_PIXELS} == set(FORMATS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (claiming(encoded(graphic(), "JPEG"), (24_000, 18_000)), "24,000 × 18,000 = 432.0 million pixels; a JPEG may"),
        (
            claiming(encoded(graphic(), "JPEG", progressive=True), (15_000, 14_500)),
            "217.5 million pixels; a JPEG in several scans may have at most 210.0 million",
        ),
        (png((11_648, 10_736), 8, 2, bytes(99)), "125.1 million pixels; a PNG may have at most 120.0 million"),
        (png((120_000_001, 1), 8, 2, bytes(99)), "120.1 million pixels; a PNG may have at most 120.0 million"),
    ],
)
def test_a_picture_over_the_limit_is_refused_with_its_size_and_the_limit(data: bytes, words: str) -> None:
    started = time.process_time()
    with pytest.raises(ImageError, match=re.escape(words)):
        prepare(data, name="a")
    assert time.process_time() - started < 1


def test_what_needs_more_memory_than_there_is_names_the_most_that_would_fit() -> None:
    cmyk = claiming(encoded(graphic().convert("CMYK"), "JPEG", progressive=True, subsampling="4:4:4"), (14_490, 14_490))
    with pytest.raises(ImageError, match=r"= 210\.0 million pixels; a JPEG of this kind may have at most \d+\.\d mill"):
        prepare(cmyk, name="a.jpg", max_side=4088)
    with pytest.raises(ImageError, match="may have at most"):
        thumbnail(encoded(graphic(), "WEBP"), side=320, most_memory=10_000_000)


# --- what is built to be costly ---


def many_scans(times: int, size: tuple[int, int] = pictures.SIZE) -> bytes:
    data = encoded(graphic(), "JPEG", progressive=True)
    return claiming(pictures.with_scans(data, times), size)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (many_scans(200), "more than 100 scans"),
        (many_scans(4000), "more than 100 scans"),
        (many_scans(40, (14_204, 10_652)), "more than 33 scans"),
        (encoded(graphic(), "JPEG")[:2] + b"\xff\xfe\0\2" * 20_000, "10,000 parts"),
        (b"\xff\xd8\xff\xc0\0\x0e\x08\0\x64\0\x64\2" + bytes(9) + b"\xff\xd9", "2 colour components"),
        (b"\xff\xd8\xff\xc0\0\x11\x0c\0\x64\0\x64\3" + bytes(9) + b"\xff\xd9", "12 bits a channel"),
        (b"\xff\xd8\xff\xc3\0\x11\x08\0\x64\0\x64\3" + bytes(9) + b"\xff\xd9", "lossless JPEG"),
        (b"\xff\xd8" + (b"\xff\xc0\0\x11\x08\0\x64\0\x64\3" + bytes(9)) * 2 + b"\xff\xd9", "twice how large"),
        (b"\xff\xd8\xff\xd9", "how large"),
    ],
    ids=["200 scans", "4000 scans", "scans of a large one", "parts", "2 parts", "12 bits", "lossless", "twice", "none"],
)
def test_a_jpeg_built_to_be_costly_is_refused_by_name_at_once(data: bytes, words: str) -> None:
    started = time.process_time()
    with pytest.raises(ImageError, match=words):
        prepare(data, name="a.jpg")
    assert time.process_time() - started < 2


def test_encoders_own_scans_pass_at_every_sensors_size() -> None:
    data = encoded(graphic(), "JPEG", progressive=True)
    scans = containers.walk(data, "JPEG").scans
    assert 5 < scans < 20
    with measured(claiming(data, (16_320, 12_240))) as file:
        assert file.walk.scans == scans


def test_an_avif_counts_by_what_its_bits_hold_and_not_by_what_its_boxes_say() -> None:
    honest = encoded(photograph((400, 300)), "AVIF", speed=10)
    at = honest.index(b"ispe") + 8
    lying = honest[:at] + struct.pack(">II", 80, 80) + honest[at + 8 :]
    with measured(honest) as truth, measured(lying) as lie:
        assert truth.size == lie.size == (400, 300)
        assert lie.memory == truth.memory


def test_an_avif_whose_bits_are_too_large_is_refused_before_it_is_decoded() -> None:
    data = bytearray(encoded(photograph((400, 300)), "AVIF", speed=10))
    (item,) = containers._Boxes(memoryview(bytes(data))).items
    at = bytes(data).index(bytes(item[:40]))
    # Width and height of 16 bits each in a reduced header: profile, still, reduced, level, then the sizes.
    header = int("000" + "1" + "1" + "01000" + "1111" + "1111" + "1" * 16 + "1" * 16 + "0" * 22, 2)
    made = bytes([0x0A, 8]) + header.to_bytes(9, "big")[:8]
    data[at : at + len(made)] = made
    with pytest.raises(ImageError, match=r"65,536 × 65,536 = 4,295\.0 million pixels; an AVIF may have at most"):
        prepare(bytes(data), name="a.avif")


@pytest.mark.parametrize("cut", [30, 60, 120, 200, 260])
def test_damaged_boxes_are_a_named_error(cut: int) -> None:
    data = bytearray(encoded(graphic(), "AVIF", speed=10))
    data[cut : cut + 12] = bytes(12)
    with pytest.raises(ImageError):
        prepare(bytes(data), name="a.avif")


def test_an_animated_avif_is_walked_by_its_track() -> None:
    frames = [graphic(), graphic().transpose(Image.Transpose.ROTATE_180)]
    data = encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:], speed=10)
    assert containers.walk(data, "AVIF").size == pictures.SIZE
    assert "one picture of 2 kept" in prepare(data, name="a.avif").changes


# --- metadata ---


def xmp(megabytes: int) -> bytes:
    """Adobe's history: one packet and its extensions."""
    part = b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_000)
    return (b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part) * (megabytes * 1_000_000 // len(part) + 1)


def decoded(data: bytes) -> bytes:
    return Image.open(BytesIO(data)).tobytes()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_metadata_beyond_the_limit_are_removed_and_no_pixel_is_touched(options: dict[str, object]) -> None:
    plain = encoded(photograph(), "JPEG", exif=exif(1), icc_profile=pictures.srgb_profile(), **options)
    picture = prepare(plain[:2] + xmp(6) + plain[2:], name="a.jpg")
    assert picture.changes == ("metadata of 6.0 MB removed",)
    assert picture.data == plain
    assert not picture.untouched


def test_metadata_that_fit_stay() -> None:
    plain = encoded(photograph(), "JPEG")
    assert prepare(plain[:2] + xmp(4) + plain[2:], name="a.jpg").untouched


def test_exif_and_profile_go_too_when_they_are_what_is_too_long() -> None:
    plain = encoded(photograph(), "JPEG")
    parts = b""
    for number in range(90):
        part = b"ICC_PROFILE\0" + bytes((number + 1, 90)) + bytes(65_000)
        parts += b"\xff\xe2" + struct.pack(">H", len(part) + 2) + part
    picture = prepare(plain[:2] + parts + plain[2:], name="a.jpg")
    assert picture.changes == ("metadata of 5.9 MB removed",)
    assert decoded(picture.data) == decoded(plain)


def test_adobes_mark_stays_without_which_colours_are_read_wrongly() -> None:
    data = encoded(photograph(), "JPEG", keep_rgb=True)
    assert b"Adobe" in data[:40]
    picture = prepare(data[:2] + xmp(6) + data[2:], name="a.jpg")
    assert decoded(picture.data) == decoded(data)


def test_a_turned_picture_with_long_metadata_is_sent_upright() -> None:
    data = encoded(photograph(), "JPEG", exif=exif(6))
    picture = prepare(data[:2] + xmp(6) + data[2:], name="a.jpg")
    assert (picture.height, picture.width) == pictures.SIZE
    assert "turned upright" in picture.changes


@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"prVt"])
def test_a_pngs_long_chunks_are_removed_too(kind: bytes) -> None:
    plain = encoded(photograph(), "PNG")
    picture = prepare(with_chunks(plain, png_chunk(kind, b"MM\0*" + bytes(6_000_000))), name="a.png")
    assert picture.changes == ("metadata of 6.0 MB removed",)
    assert picture.data == plain


def test_pixels_beyond_the_limit_are_compressed_again_and_the_note_says_why() -> None:
    noise = Image.frombytes("RGB", (1500, 1400), random.Random(3).randbytes(1500 * 1400 * 3))
    picture = prepare(encoded(noise, "PNG"), name="a.png")
    assert picture.changes[0] == "6.3 MB brought under 5 MB"
    assert len(picture.data) <= USUAL.max_bytes


# --- memory ---


def test_threads_share_a_budget_and_wait_for_what_they_want() -> None:
    budget, together, most = Budget(100), [0], [0]
    lock = threading.Lock()

    def work(amount: int) -> None:
        with budget.share(amount):
            with lock:
                together[0] += min(amount, 100)
                most[0] = max(most[0], together[0])
            time.sleep(0.002)
            with lock:
                together[0] -= min(amount, 100)

    threads = [threading.Thread(target=work, args=(amount,)) for amount in [40, 70, 10, 100, 250, 30, 60] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert 70 < most[0] <= 100


def test_a_budget_is_given_back_after_an_error() -> None:
    budget = Budget(10)
    with pytest.raises(KeyError), budget.share(10):
        raise KeyError
    with budget.share(10):
        pass


MEASURE = """
import json, resource, sys
from pathlib import Path
from tryon.pictures import images
images.prepare(Path(sys.argv[1]).with_suffix(".small").read_bytes(), name="warm", max_side=4088)
data, kept = Path(sys.argv[1]).read_bytes(), []
share = images._budget.share
images._budget.share = lambda amount: kept.append(amount) or share(amount)
Path("/proc/self/clear_refs").write_text("5")
before = int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1])
images.prepare(data, name="a", max_side=int(sys.argv[2]))
peak = int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1])
print(json.dumps([(peak - before) * 1024, kept[0]]))
"""


def heic(mode: str, size: tuple[int, int]) -> bytes:
    out = BytesIO()
    pixel = struct.pack("<4H", 9000, 30000, 50000, 60000)[: 8 if "A" in mode else 6]
    pillow_heif.from_bytes(mode, size, pixel * (size[0] * size[1])).save(
        out, quality=30, chroma=444, enc_params={"preset": "ultrafast"}
    )
    return out.getvalue()


def sixteen_bit_grey_with_a_transparent_level(size: tuple[int, int]) -> bytes:
    return png(size, 16, 0, (b"\0" + bytes(2 * size[0])) * size[1], png_chunk(b"tRNS", b"\0\1"))


SIDE = 3600
COSTLY = {
    "JPEG": lambda size: encoded(photograph().resize(size), "JPEG"),
    "JPEG in scans, CMYK": lambda size: encoded(
        photograph().resize(size).convert("CMYK"), "JPEG", progressive=True, subsampling="4:4:4"
    ),
    "PNG with alpha": lambda size: encoded(photograph().resize(size).convert("RGBA"), "PNG", compress_level=1),
    "PNG, 16-bit grey": sixteen_bit_grey_with_a_transparent_level,
    "PNG, palette": lambda size: encoded(
        photograph().resize(size).quantize(16, Image.Quantize.FASTOCTREE), "PNG", transparency=1, compress_level=1
    ),
    "WebP": lambda size: encoded(pictures.cut_out().resize(size), "WEBP", lossless=True, quality=0, method=0),
    "AVIF": lambda size: encoded(pictures.cut_out().resize(size), "AVIF", speed=10, subsampling="4:4:4"),
    "HEIC": lambda size: heic("RGB;16", size),
    "HEIC with alpha": lambda size: heic("RGBA;16", size),
}


@cache
def costly(what: str, side: int) -> bytes:
    """Made once for both sizes that it is made ready for: encoding takes longer than what is measured."""
    return COSTLY[what]((side, side))  # type: ignore[no-untyped-call]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc to forget a peak")
@pytest.mark.parametrize("what", COSTLY)
@pytest.mark.parametrize("max_side", [1920, 4088])
def test_no_picture_takes_more_memory_than_it_asked_for(what: str, max_side: int, tmp_path: Path) -> None:
    path = tmp_path / "picture.large"
    path.write_bytes(costly(what, SIDE))
    path.with_suffix(".small").write_bytes(costly(what, 96))
    command = [sys.executable, "-c", MEASURE, str(path), str(max_side)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "layers/tryon")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120)
    taken, asked = json.loads(done.stdout.splitlines()[-1])
    assert taken <= asked
    if what != "JPEG":  # which passes as it is, and is drawn at an eighth
        # Nor does it ask for several times as much, or pictures would wait for nothing.
        assert asked < 4 * taken + 50_000_000


TOGETHER = """
import io, resource, struct, sys, zlib
from tryon.planning.intake import Inputs, take_in
from tryon.planning.manifest import Manifest
from tryon.keys import RunFolder
from pathlib import Path
data = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]
class S3:
    def get_object(self, Key, **_):
        found = data[int(Key.partition(".")[0]) % len(data)]
        return {"ContentLength": len(found), "Body": io.BytesIO(found), "VersionId": "1", "ETag": '"e"'}
    def put_object(self, **_): return {}
garments = [{"id": f"g{i}", "image": f"{i}.png", "type": "upper"} for i in range(8)]
wanted = Manifest.model_validate({"models": [{"id": "m", "image": "0.png"}], "garments": garments})
take_in(Inputs(S3(), wanted, "b", RunFolder("r"), 100_000_000))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def flat_png(width: int, height: int) -> bytes:
    squeeze = zlib.compressobj(9)
    rows = b"".join(squeeze.compress(bytes(1 + width * 4)) for _ in range(height)) + squeeze.flush()
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def test_large_pictures_in_four_threads_stay_under_plans_memory_without_its_environment(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "1").write_bytes(flat_png(10_000, 9_999))
    (folder / "2").write_bytes(flat_png(7_000, 7_000))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "layers/tryon")}
    command = [sys.executable, "-c", TOGETHER, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=300)
    assert int(done.stdout) < 0.8 * 3008 * (1 << 20)
