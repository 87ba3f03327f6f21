"""How commands write on a terminal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm


def printable(text: str) -> str:
    """Text that cannot steer a terminal: names and labels come from anywhere."""
    return text if text.isprintable() else ascii(text)


def told(error: OSError) -> str:
    """What is wrong with a file, as a sentence."""
    file = Path(str(error.filename or ""))
    match error:
        case FileNotFoundError() if not file.parent.is_dir():
            said = f"The folder {file.parent} does not exist."
        case FileNotFoundError():
            said = f"There is no file {file}."
        case IsADirectoryError():
            said = f"{file} is a folder, not a file."
        case NotADirectoryError() | FileExistsError():
            said = f"{file} cannot be used as a folder: a file is in its place."
        case PermissionError():
            said = f"{file} cannot be opened: this user has no right to it."
        case _:
            said = f"{file}: {error.strerror}." if error.filename and error.strerror else str(error)
    return printable(said)


def from_a_folder(trouble: str) -> str:
    """What to do when the storage gives no pictures, besides what is wrong with it."""
    return f"{trouble.rstrip('.')}. --images FOLDER takes them from a folder: that which holds the collection's."


def aligned(table: Sequence[Sequence[str]], *, texts: int = 0) -> list[str]:
    """Lines of a table: columns of numbers, of which the last `texts` hold texts."""
    numbers = len(table[0]) - texts
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(_cell(row[n], widths[n], n < numbers) for n in range(len(widths))).rstrip() for row in table]


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """A bar, on a terminal only. It is told what is being done and how much of that is done, 0 to 1."""
    with tqdm(total=100, bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}", disable=None, leave=False) as bar:

        def progress(phase: str, done: float) -> None:
            bar.set_description_str(phase, refresh=False)
            bar.n = min(100, round(100 * done))
            bar.refresh()

        yield progress


def _cell(text: str, width: int, number: bool) -> str:
    return f"{text:>{width}}" if number else f"{text:<{width}}"
