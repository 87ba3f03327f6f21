"""Pictures that tests draw themselves, and the requests that carry them."""

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image


def scene(mode: str = "RGB", size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A picture without symmetry: red on the left, blue at the bottom, a bright spot at the top right."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    spot = 255 * np.exp(-((x - 0.9) ** 2 + (y - 0.1) ** 2) * 40)
    pixels = np.stack([200 * (1 - x), spot, 220 * y], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def stripes(angle: float, period: float = 40) -> Image.Image:
    """Black and white waves, 320×320: `angle` in degrees, `period` in pixels. Near angles look alike."""
    x, y = np.meshgrid(np.arange(320), np.arange(320))
    turn = np.deg2rad(angle)
    wave = np.sin(2 * np.pi / period * (x * np.cos(turn) + y * np.sin(turn)))
    return Image.fromarray((127 + 127 * wave).astype(np.uint8)).convert("RGB")


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The picture as a file of the kind that Pillow calls so."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def as_base64(data: bytes) -> str:
    """The text that a record carries."""
    return base64.b64encode(data).decode()


def skill_call(*records: dict[str, Any]) -> bytes:
    """A skill request with these records' inputs, ids "0", "1", …"""
    return json.dumps({"values": [{"recordId": str(n), "data": data} for n, data in enumerate(records)]}).encode()
