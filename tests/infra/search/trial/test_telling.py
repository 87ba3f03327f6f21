"""What people are told of a run."""

from pathlib import Path

from infra.search.definitions import define
from infra.search.parameters import read_parameters
from infra.search.trial.answers import WARNED
from infra.search.trial.documents import Issue
from infra.search.trial.folder import Listing
from infra.search.trial.indexer import Run
from infra.search.trial.telling import KNOWLEDGE_STORE, counted, first_fits, joined, left_out, table

MAPPING = "Projection.SearchIndex.OutputFieldMapping"
NONE_LEFT = Listing(Path(), [], {}, [])
RUN = Run(4, 5, 1, frozenset("ab"), [], {}, "")


def _warning(key: str, name: str, message: str = "", details: str = "") -> Issue:
    return Issue(key, name, message, details, warning=True)


def _without_clusters(collection: str) -> Issue:
    details = f"The collection {collection!r} has no clusters yet: start a fit with POST /api."
    return _warning("a", "Enrichment.WebApiSkill.clustering", WARNED, details)


def test_what_goes_wrong_first_stands_first_and_then_what_is_most_frequent() -> None:
    issues = [_warning(key, f"{MAPPING}.path") for key in "abcde"]
    issues += [
        _warning("a", "Enrichment.WebApiSkill.one"),
        *(_warning(key, "Enrichment.WebApiSkill.two") for key in "ab"),
    ]
    issues += [_warning("a", "DocumentExtraction.azureblob.images")]
    title, head, *rows = table("Warnings", issues, "report.json")
    assert title == "Warnings:"
    assert head.split() == ["blobs", "first", "where", "what"]
    assert [row.split() for row in rows] == [
        ["1", "a", "DocumentExtraction.azureblob.images"],
        ["2", "a", "Enrichment.WebApiSkill.two"],
        ["1", "a", "Enrichment.WebApiSkill.one"],
        ["5", "a", f"{MAPPING}.path"],
    ]


def test_the_fields_that_an_image_would_have_filled_are_one_warning_where_there_is_none() -> None:
    cracked = _warning("a", "DocumentExtraction.azureblob.images")
    with_image = _warning("b", f"{MAPPING}.path")
    issues = [cracked, with_image, *(_warning("a", f"{MAPPING}.{name}") for name in ("path", "label", "vector"))]
    assert joined(issues, frozenset("a")) == [
        cracked,
        with_image,
        _warning("a", MAPPING, "3 fields stay empty: there is no image."),
    ]


def test_the_first_line_counts_what_has_no_image() -> None:
    assert counted(RUN, NONE_LEFT, 2, 3) == (
        "5 blobs (2 without an image) in 2.0 s, 2.5 a second: 4 documents, 1 failed, 3 warnings."
    )
    assert "without an image" not in counted(RUN._replace(without_image=frozenset()), NONE_LEFT, 2, 3)


def test_built_in_skills_are_told_from_what_depends_on_them_and_from_the_knowledge_store() -> None:
    plain = define(read_parameters({}, None, {}, local=True))
    assert list(left_out(RUN, NONE_LEFT, plain)) == []
    skills = {"image-analysis": "ImageAnalysisSkill", "shape-faces": "ShaperSkill", "ocr": "OcrSkill"}
    store = define(read_parameters({"knowledgeStore": "true"}, None, {}, local=True))
    assert list(left_out(RUN._replace(skills_left_out=skills), NONE_LEFT, store)) == [
        "Left out, because only the service can run it: image-analysis (ImageAnalysisSkill), ocr (OcrSkill); and what "
        "depends on it: shape-faces (ShaperSkill).",
        KNOWLEDGE_STORE,
    ]


def test_folders_that_cannot_be_opened_are_counted_and_some_are_named() -> None:
    plain = define(read_parameters({}, None, {}, local=True))
    (line,) = left_out(RUN, NONE_LEFT._replace(closed=[f"{n:02}/" for n in range(25)]), plain)
    assert line.startswith("25 folders cannot be opened: 00/, 01/, ")
    assert line.endswith(", 19/ ….")


def test_a_first_fit_is_proposed_where_nothing_else_is_wrong() -> None:
    some = [_without_clusters("photos"), _without_clusters("my dogs"), _without_clusters("photos")]
    assert first_fits(some) == [
        "Group them: python -m clustering fit photos",
        "Group them: python -m clustering fit 'my dogs'",
    ]
    assert first_fits([*some, _warning("a", f"{MAPPING}.path")]) == []
    assert first_fits([]) == []
