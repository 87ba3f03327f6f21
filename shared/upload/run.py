"""One upload from beginning to end: what is wanted, what is there, and the rest several at a time."""

from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from shared.blob_client import images
from shared.settings import Settings, SettingsError
from shared.upload.content import Failed, ItemError, ending
from shared.upload.files import File, read_folder
from shared.upload.links import Link, read_list
from shared.upload.storage import send, stored


@dataclass(slots=True, kw_only=True)
class Report:
    """What an upload did: images by what became of them, other files that were left out, and bytes sent."""

    collection: str
    uploaded: int = 0
    unchanged: int = 0
    left_out: int = 0
    bytes: int = 0
    failed: list[Failed] = field(default_factory=list)


def upload(source: Path, collection: str, settings: Settings, *, metadata: Mapping[str, str], at_once: int) -> Report:
    """Upload the images of a folder or of a list, with a progress bar.

    Args:
        source: The folder, or the list.
        collection: Where they go.
        settings: Which container, how large an image may be and how long fetching one may take.
        metadata: What each image is given, as a person writes it.
        at_once: Images under way at a time; that many are in memory.

    Raises:
        SettingsError: The source is neither, or Blob storage refuses us.
        StoreBusy: Storage did not answer.
        OSError: The source cannot be read.
    """
    report = Report(collection=collection)
    items: list[File] | list[Link]
    if source.is_dir():
        items, report.left_out = read_folder(source, collection)
    elif ending(source.name):
        raise SettingsError(f"{source} is one image. Name its folder, or a list of labels and urls.")
    else:
        items, report.failed = read_list(source, collection)
    container = images(settings)
    there = stored(container, collection)
    # What a url gave is known by its path; a file is compared once it is read.
    fetched = {path.rpartition(".")[0] for path in there}
    wanted = [item for item in items if isinstance(item, File) or item.path_without_ending not in fetched]
    report.unchanged = len(items) - len(wanted)

    def transfer(item: File | Link) -> int | None:
        content = item.content(settings)
        return len(content.data) if send(content, container, metadata=metadata, there=there) else None

    with tqdm(total=len(wanted), desc=collection, unit=" images", disable=None) as bar:
        for item, done in _in_threads(transfer, wanted, at_once):
            try:
                sent = done.result()
            except ItemError as error:
                report.failed.append(Failed(str(item), str(error)))
            else:
                report.uploaded += sent is not None
                report.unchanged += sent is None
                report.bytes += sent or 0
            bar.update(1)
    return report


def _in_threads[T, R](work: Callable[[T], R], items: Iterable[T], at_once: int) -> Generator[tuple[T, Future[R]]]:
    """Each item with its work done or failed, in the order of ending; few wait in line, however many there are."""
    pool = ThreadPoolExecutor(at_once)
    begun: dict[Future[R], T] = {}
    try:
        for item in items:
            begun[pool.submit(work, item)] = item
            if len(begun) >= 2 * at_once:
                yield from _ended(begun)
        while begun:
            yield from _ended(begun)
    finally:
        pool.shutdown(cancel_futures=True)  # stopped: what is under way ends, the rest is not begun


def _ended[T, R](begun: dict[Future[R], T]) -> list[tuple[T, Future[R]]]:
    """Waits for some to end, and takes them out."""
    return [(begun.pop(future), future) for future in wait(begun, return_when=FIRST_COMPLETED).done]
