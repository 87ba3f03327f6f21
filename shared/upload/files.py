"""The images of a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shared.settings import Settings
from shared.upload.content import Content, ItemError, ending


@dataclass(frozen=True, slots=True)
class File:
    """A file, and the path of its blob."""

    path: str
    file: Path

    def __str__(self) -> str:
        return self.path

    def content(self, settings: Settings) -> Content:
        """The file as it is now.

        Raises:
            ItemError: It cannot be read, or is larger than the app would read.
        """
        try:
            if self.file.stat().st_size > settings.max_image_bytes:
                raise ItemError(f"The file is larger than MAX_IMAGE_MB = {settings.max_image_bytes / 1e6:g}.")
            return Content(self.path, self.file.read_bytes(), {})
        except OSError as error:
            raise ItemError(f"The file cannot be read ({error.strerror}).") from error


class Folder(NamedTuple):
    """The images of a folder, and how many other files it has."""

    files: list[File]
    left_out: int


def read_folder(folder: Path, collection: str) -> Folder:
    """Every image below a folder, by its name's ending, with the path `<collection>/<path below the folder>`.

    Left out are other files, hidden files and folders, linked folders, and linked files outside the folder.

    Raises:
        OSError: A folder cannot be listed.
    """
    root = folder.resolve()
    files: list[File] = []
    left_out = 0
    for place, folders, names in root.walk(on_error=_fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = place / name
            if name.startswith(".") or not ending(name) or not _inside(file, root):
                left_out += 1
            else:
                files.append(File(f"{collection}/{file.relative_to(root).as_posix()}", file))
    return Folder(files, left_out)


def _inside(file: Path, root: Path) -> bool:
    return file.is_file() and (not file.is_symlink() or file.resolve().is_relative_to(root))


def _fail(error: OSError) -> None:
    raise error  # half a folder would look like a whole one
