"""A document on its way from a blob to the index, and what went wrong with it."""

from dataclasses import dataclass, field

from shared.contract import Json


@dataclass(frozen=True, slots=True)
class Issue:
    """An error or a warning of an indexer run, with the members that the service's status gives it."""

    key: str
    """The document: its blob's url."""
    name: str
    """Where it happened, such as `Enrichment.WebApiSkill.similarity`."""
    message: str
    details: str = ""
    warning: bool = False


@dataclass(slots=True)
class Document:
    """A blob that is being indexed."""

    key: str
    """Its url."""
    tree: dict[str, Json]
    """What `/document` is: the cracked blob, and later what the skills add."""
    issues: list[Issue] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether it cannot be indexed."""
        return any(not issue.warning for issue in self.issues)

    def error(self, name: str, message: str, details: str = "") -> None:
        """Note why it cannot be indexed."""
        self.issues.append(Issue(self.key, name, message, details))

    def warn(self, name: str, message: str, details: str = "") -> None:
        """Note what is missing or odd."""
        self.issues.append(Issue(self.key, name, message, details, warning=True))
