"""One page of the list of blobs, in the XML of the Blob service's List Blobs."""

import itertools
import re
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

from devhost import blobs

# What XML cannot carry, and what does not come out of it as it went in (a line may end otherwise).
_NOT_FOR_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fits_xml(text: str) -> bool:
    """Returns whether the text comes out of XML as it went in."""
    return not _NOT_FOR_XML.search(text)


def page(container: blobs.Container, prefix: str, delimiter: str, marker: str, limit: int) -> bytes:
    """Returns the first `limit` names from the marker on (from the start when it is empty), sorted by code point.

    With a delimiter, the blobs whose names hold it after the prefix are one name: a BlobPrefix that ends with it.
    The prefix and the delimiter must fit XML. Nothing is kept from page to page: the marker is the next name.
    """
    root = ET.Element("EnumerationResults", ServiceEndpoint=f"{container.service_url}/", ContainerName=container.name)
    _add(root, {"Prefix": prefix, "Marker": marker if fits_xml(marker) else "", "MaxResults": limit})
    _add(root, {"Delimiter": delimiter} if delimiter else {})
    names = ET.SubElement(root, "Blobs")
    following = ""
    found = blobs.walk(container, prefix, unquote(marker))
    for (name, is_prefix), members in itertools.groupby(found, key=lambda one: _group(one[0], prefix, delimiter)):
        if len(names) == limit:
            following = quote(name)
            break
        if is_prefix:
            _add_name(ET.SubElement(names, "BlobPrefix"), name)
            continue
        try:
            state = blobs.state(next(members)[1].stat())
        except OSError:  # gone meanwhile
            continue
        blob = ET.SubElement(names, "Blob")
        _add_name(blob, name)
        modified = formatdate(state.modified, usegmt=True)
        properties: dict[str, str | int] = {
            "Creation-Time": modified,
            "Last-Modified": modified,
            "Etag": state.etag.strip('"'),  # in a list Azure Storage leaves the quotes out
            "Content-Length": state.size,
            "Content-Type": blobs.content_type(name),
            "BlobType": "BlockBlob",
        }
        _add(ET.SubElement(blob, "Properties"), properties)
    _add(root, {"NextMarker": following})
    text: str = ET.tostring(root, encoding="unicode")  # much faster than to bytes at once
    return text.encode()


def _group(path: str, prefix: str, delimiter: str) -> tuple[str, bool]:
    """Returns under which name a blob is listed, and whether that is a BlobPrefix."""
    end = path.find(delimiter, len(prefix)) if delimiter else -1
    return (path, False) if end < 0 else (path[: end + len(delimiter)], True)


def _add(parent: ET.Element, values: Mapping[str, str | int]) -> None:
    for tag, value in values.items():
        ET.SubElement(parent, tag).text = str(value)


def _add_name(parent: ET.Element, name: str) -> None:
    element = ET.SubElement(parent, "Name")
    element.text = name
    if not fits_xml(name):
        element.set("Encoded", "true")
        element.text = quote(name)
