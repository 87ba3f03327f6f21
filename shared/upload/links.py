"""The images of a list: a text file with a label and a url in each line."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from shared.contract import Deadline
from shared.fetch import FetchError, fetch
from shared.settings import Settings, SettingsError
from shared.upload.content import Content, Failed, ItemError, ending, ending_of_bytes
from shared.upload.metadata import UNWRITABLE, writable

AGENT = "visual-skills-upload (python -m shared.upload)"

_NOT_IN_NAMES = re.compile(rf"[/\\{UNWRITABLE}]|\.+$")


@dataclass(frozen=True, slots=True)
class Link:
    """An image behind a url. The ending of its blob's path is known only when it has been fetched."""

    path_without_ending: str
    label: str
    url: str
    line: int

    def __str__(self) -> str:
        return f"line {self.line}, {_shown(self.url)}"

    def content(self, settings: Settings) -> Content:
        """The image, fetched.

        Raises:
            ItemError: It cannot be fetched, or is no image that the app reads.
        """
        deadline = Deadline(settings.fetch_timeout)
        limit = settings.max_image_bytes
        try:
            data = fetch(self.url, hosts=None, max_bytes=limit, deadline=deadline, plain_http=True, agent=AGENT)
        except FetchError as error:
            raise ItemError(str(error)) from error
        kind = ending_of_bytes(data)
        if not kind:
            raise ItemError("What is there is no image in a format that the app reads.")
        return Content(self.path_without_ending + kind, data, {"label": self.label, "source": _shown(self.url)})


class Links(NamedTuple):
    """The images of a list, and the lines that name none."""

    links: list[Link]
    bad_lines: list[Failed]


def read_list(file: Path, collection: str) -> Links:
    """The lines `label<TAB>url` of a text file in UTF-8, each image once for each label.

    The path of an image is `<collection>/<label>/<name>-<8 hex digits of its url's hash>` and an ending. Empty lines
    and those that begin with # are comments.

    Raises:
        SettingsError: The file is not text in UTF-8.
        OSError: It cannot be read.
    """
    found: dict[str, Link] = {}
    bad_lines: list[Failed] = []
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip() or line.startswith("#"):
                    continue
                try:
                    link = _link(line, number, collection)
                except ItemError as error:
                    bad_lines.append(Failed(f"line {number}", str(error)))
                    continue
                other = found.setdefault(link.path_without_ending, link)
                if (other.label, other.url) != (link.label, link.url):
                    why = f"Its path would be the one of line {other.line}: rename one of the labels."
                    bad_lines.append(Failed(f"line {number}", why))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is neither a folder nor a list: it is not text in UTF-8.") from error
    return Links(list(found.values()), bad_lines)


def _link(line: str, number: int, collection: str) -> Link:
    label, _, url = (part.strip() for part in line.partition("\t"))
    if not label or not url:
        raise ItemError("There is no label with a tab and a url behind it.")
    if not writable(label):
        raise ItemError("The label has a control character.")
    url = "".join(letter if letter.isascii() else quote(letter) for letter in url)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None
    except ValueError:
        usable = False
    if not usable or len(url.split()) > 1:
        raise ItemError("There is no http or https url without spaces and without a user's name.")
    mark = hashlib.sha256(url.encode()).hexdigest()[:8]
    return Link(f"{collection}/{_safe(label)}/{_name(parts.path)}-{mark}", label, url, number)


def _name(path: str) -> str:
    """What a file is called at the end of a url's path, without the ending of an image."""
    name = unquote(path.rsplit("/", 1)[-1])
    return _safe(name.removesuffix(name[-len(ending(name)) :]) if ending(name) else name)[:100] or "image"


def _safe(text: str) -> str:
    """Text as one part of a blob's path. No part ends with a dot: some clients would drop it."""
    return _NOT_IN_NAMES.sub("_", text)


def _shown(url: str) -> str:
    """A url without its query, where tokens are."""
    return url.partition("?")[0].partition("#")[0]
