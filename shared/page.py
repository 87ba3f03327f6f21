"""A page that is one file: it loads nothing, and its own policy forbids it to run anything."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from shared.markup import text

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(title: str, body: Iterable[str], style: str = "") -> str:
    """A page in HTML, complete in itself.

    Args:
        title: Any text.
        body: HTML, made with `markup.text` where it holds texts from anywhere; empty parts are left out.
        style: CSS besides that of every page.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{STYLE}{style}</style></head>\n"
        f"<body><main>\n{'\n'.join(part for part in body if part)}\n</main></body></html>\n"
    )


def img(picture: Image.Image, name: str) -> str:
    """A small picture inside the page, called by any text."""
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=80)
    data = base64.b64encode(target.getvalue()).decode()
    return f'<img alt="{text(name)}" title="{text(name)}" src="data:image/jpeg;base64,{data}">'
