"""Draw the sample pictures and write their manifests: `python -m samples.make [folder]`.

Everything is drawn here, from fixed seeds: no photograph, no font, no network.
"""

import json
import sys
import zlib
from pathlib import Path

from PIL import Image

from samples.figures import FIGURES, draw_figure, studio
from samples.sketch import Sheet
from samples.wardrobe import WARDROBE, product_shot

HERE = Path(__file__).parent
MODEL_SIZE = (900, 1200)
GARMENT_SIZE = (768, 1024)
SOLES = 988


def _sheet(size: tuple[int, int], scale: float, origin_y: float, name: str) -> Sheet:
    return Sheet(size, scale, (size[0] / 2, origin_y), zlib.crc32(name.encode()))


def model(name: str, reduction: int = 1) -> Image.Image:
    """Draw a model's picture, 900 by 1200 pixels divided by `reduction`."""
    figure = FIGURES[name]
    width, height = MODEL_SIZE[0] // reduction, MODEL_SIZE[1] // reduction
    scale = height * figure.tall / 1000
    sheet = _sheet((width, height), scale, height * 0.955 - SOLES * scale, name)
    draw_figure(sheet, figure)
    return studio(sheet, figure)


def garment(name: str, reduction: int = 1) -> Image.Image:
    """Draw a garment's picture, 768 by 1024 pixels divided by `reduction`."""
    piece = WARDROBE[name]
    width, height = GARMENT_SIZE[0] // reduction, GARMENT_SIZE[1] // reduction
    scale = min(width * 0.84 / piece.width, height * 0.86 / (piece.bottom - piece.top))
    sheet = _sheet((width, height), scale, height / 2 - (piece.top + piece.bottom) / 2 * scale, name)
    piece.draw(sheet)
    return product_shot(sheet)


def manifests() -> dict[str, dict[str, object]]:
    """Return the manifests by file name."""
    models = [{"id": name, "image": f"inputs/models/{name}.jpg"} for name in FIGURES]
    garments = {
        name: {"id": name, "image": f"inputs/garments/{piece.file}", "type": piece.type}
        for name, piece in WARDROBE.items()
    }
    return {
        "manifest.json": {"name": "spring-lookbook", "models": models, "garments": list(garments.values())},
        "manifest-ab.json": {
            "name": "office-ab",
            "models": models,
            "garments": [garments["linen-shirt"], garments["chinos"]],
            "outfits": [{"id": "office", "upper": "linen-shirt", "lower": "chinos"}],
            "variants": {"a": {}, "b": {"mask": "tight"}},
        },
    }


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        picture.save(path, optimize=True)
    else:
        picture.save(path, quality=90, subsampling=0, optimize=True, progressive=True)


def make(folder: Path) -> None:
    """Draw every picture and write every manifest below `folder`."""
    for name in FIGURES:
        save(model(name), folder / "inputs" / "models" / f"{name}.jpg")
    for name, piece in WARDROBE.items():
        save(garment(name), folder / "inputs" / "garments" / piece.file)
    for file, manifest in manifests().items():
        (folder / file).write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
