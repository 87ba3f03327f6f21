"""PDF and Office files that tests put together by hand."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from PIL import Image

from tests.pictures import encoded


def stream(entries: str, data: bytes) -> bytes:
    """An object of a PDF that carries data."""
    return f"<< {entries} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def picture(image: Image.Image) -> bytes:
    """An image of a PDF, kept as JPEG."""
    size = f"/Width {image.width} /Height {image.height}"
    about = f"/Type /XObject /Subtype /Image {size} /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode"
    return stream(about, encoded(image, "JPEG"))


def form(content: bytes, names: Mapping[str, int], matrix: str = "1 0 0 1 0 0") -> bytes:
    """A drawing of a PDF that pages use, with the numbers of the objects that it draws itself."""
    about = f"/Type /XObject /Subtype /Form /BBox [0 0 1000 1000] /Matrix [{matrix}]"
    return stream(f"{about} /Resources {_resources(names)}", content)


def pdf(pages: Sequence[bytes], objects: Sequence[bytes] = (), names: Mapping[str, int] | None = None) -> bytes:
    """A PDF with pages of 200 by 100 points, which all have the same resources.

    Args:
        pages: What each page draws.
        objects: Objects, numbered from 1.
        names: Which of them the pages know under which name.
    """
    first = len(objects) + 1  # of the page tree; then come the pages and their contents in turn
    kids = " ".join(f"{first + 1 + 2 * at} 0 R" for at in range(len(pages)))
    shared = f"/MediaBox [0 0 200 100] /Resources {_resources(names or {})}"
    all_objects = [*objects, f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} {shared} >>".encode()]
    for content in pages:
        here = len(all_objects) + 1
        all_objects.append(f"<< /Type /Page /Parent {first} 0 R /Contents {here + 1} 0 R >>".encode())
        all_objects.append(stream("", content))
    all_objects.append(f"<< /Type /Catalog /Pages {first} 0 R >>".encode())
    file, offsets = b"%PDF-1.7\n", list[int]()
    for number, content in enumerate(all_objects, 1):
        offsets.append(len(file))
        file += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(all_objects)
    tail = f"trailer\n<< /Size {count + 1} /Root {count} 0 R >>\nstartxref\n{len(file)}\n%%EOF\n".encode()
    return file + f"xref\n0 {count + 1}\n0000000000 65535 f \n".encode() + table + tail


def office(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A file of Word, Excel or PowerPoint, as far as it has to be one."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in {"[Content_Types].xml": b"<Types/>", **files}.items():
            archive.writestr(name, content)
    return target.getvalue()


def _resources(names: Mapping[str, int]) -> str:
    entries = " ".join(f"/{name} {number} 0 R" for name, number in names.items())
    return f"<< /XObject << {entries} >> >>"
