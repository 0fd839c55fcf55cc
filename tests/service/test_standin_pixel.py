import io
from typing import Any

from PIL import Image

from tryon_local.service.pixel import pixel

ASKED: dict[str, Any] = {"model": b"m", "garments": [(b"g", "upper")], "seed": 1, "parameters": {"do_sr": True}}


def test_the_smallest_picture_is_a_png() -> None:
    picture = Image.open(io.BytesIO(pixel(**ASKED)))
    picture.load()
    assert (picture.format, picture.size) == ("PNG", (1, 1))


def test_whatever_else_is_asked_gives_another_picture() -> None:
    others: list[dict[str, Any]] = [
        {"model": b"n"},
        {"garments": [(b"h", "upper")]},
        {"garments": [(b"g", "full")]},
        {"garments": [(b"g", "upper"), (b"h", "bottom")]},
        {"seed": 2},
        {"parameters": {"do_sr": False}},
    ]
    drawn = {pixel(**ASKED), *(pixel(**{**ASKED, **other}) for other in others)}
    assert len(drawn) == 1 + len(others)
    assert pixel(**ASKED) == pixel(**ASKED)
