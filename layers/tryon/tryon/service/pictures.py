"""Pictures inside a JSON body, as data addresses."""

import binascii
import io
import json
from collections.abc import Mapping

from tryon.json_types import Json


def write_object(body: io.BytesIO, members: Mapping[str, Json], pictures: Mapping[str, bytes]) -> None:
    """Write a JSON object of these members and of each picture, JPEG or PNG, by its name.

    No second copy of a picture is made.
    """
    body.write(json.dumps(dict(members)).encode().removesuffix(b"}"))
    for name, picture in pictures.items():
        kind = b"png" if picture.startswith(b"\x89PNG") else b"jpeg"
        comma = b", " if members or name != next(iter(pictures)) else b""
        body.write(b'%b"%b": "data:image/%b;base64,' % (comma, name.encode(), kind))
        view = memoryview(picture)
        # A multiple of three bytes, so that base64 pads the last block only.
        for start in range(0, len(view), 3 << 14):
            body.write(binascii.b2a_base64(view[start : start + (3 << 14)], newline=False))
        body.write(b'"')
    body.write(b"}")
