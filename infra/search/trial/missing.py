"""The warning where a mapping's source leads to nothing."""

from infra.search.trial.documents import Document


def warn_of_missing(document: Document, field: str, reasons: tuple[str, ...], where: str) -> None:
    """Say that a field stays empty; `where` names the property of which object is to be looked at."""
    document.warn(
        f"Projection.SearchIndex.OutputFieldMapping.{field}",
        f"Could not map output field '{field}' to search index. Check the {where}.",
        reasons[0],
    )
