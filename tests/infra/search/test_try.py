"""`python -m infra.search try`: the definitions in the repository, on the real app, and on skills that break rules."""

import base64
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from PIL import Image

from infra.search.__main__ import COMMANDS, main
from infra.search.definitions import Definitions, define
from infra.search.parameters import read_parameters
from infra.search.trial.answers import SLACK
from infra.search.trial.fields import NOT_VALID
from infra.search.trial.folder import Listing, blobs
from infra.search.trial.functions import url_token
from infra.search.trial.indexer import Run, run
from infra.search.trial.telling import joined
from infra.search.trial.web_api import WebApi
from shared.contract import Json
from tests.conftest import SAMPLES
from tests.pictures import encoded, scene
from tests.servers.devhost import Devhost
from tests.servers.skills import Asked, Said, SkillServer, answered, skill_server, values

FISH = sorted((SAMPLES / "photos" / "fish").glob("*.jpg"))
RIGHT: dict[str, dict[str, Json]] = {
    "similarity": {"path": "a/b.jpg", "collection": "a", "tags": [], "most_similar": ["a/c.jpg"], "matches": []},
    "clustering": {"label": ["fish"], "cluster": 1},
    "embedding": {"vector": [1.0] + [0.0] * 255, "model": "m"},
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[SkillServer]:
    with skill_server() as running:
        yield running


def indexed(*, where: Path = Path(".local/search")) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (where / "documents.jsonl").read_text(encoding="utf-8").splitlines()]


def images_url(app: Devhost) -> str:
    (first,) = httpx.get(f"{app.url}/api/collections/photos/images?top=1", trust_env=False).json()["images"]
    return str(first["url"]).removesuffix(first["path"])


def test_the_samples_find_their_look_alikes_in_the_real_app(
    sample_app: Devhost, capsys: pytest.CaptureFixture[str]
) -> None:
    account = Path("account")
    for photo in FISH:
        there = account / "images" / photo.relative_to(SAMPLES)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, there)
    (account / "images" / "notes.txt").write_text("no image")
    app = ["--set", f"appUrl={sample_app.url}"]

    assert main(["try", str(account), *app, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["blobs"], report["documents"], report["failed"]) == (len(FISH), len(FISH), 0)
    assert report["filesLeftOut"] == {".txt": 1}
    assert (report["folder"], report["imagesUrl"]) == (str(Path("account/images").resolve()), images_url(sample_app))
    assert report["errors"] == []

    documents = {document["path"]: document for document in indexed()}
    base = images_url(sample_app)
    assert sorted(documents) == [photo.relative_to(SAMPLES).as_posix() for photo in FISH]
    for path, document in documents.items():
        assert document["id"] == url_token(base + path)
        assert document["url"] == base + path
        assert document["size"] == (SAMPLES / path).stat().st_size
        assert document["collection"] == "photos"
        assert len(document["most_similar"]) == 3
        assert path not in document["most_similar"]
        assert [match["path"] for match in document["matches"]] == document["most_similar"]
        assert {*document["matches"][0]} == {"path", "url", "score"}
        assert len(document["vector"]) == 256

    assert main(["query", "--image", str(FISH[2]), "--json", *app]) == 0
    (first, *_) = json.loads(capsys.readouterr().out)["results"]
    assert first["document"]["path"] == FISH[2].relative_to(SAMPLES).as_posix()


def test_documents_with_many_images_become_a_document_an_image(
    sample_app: Devhost, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("images").mkdir()
    with Image.open(FISH[0]) as one, Image.open(FISH[1]) as other:
        one.save("images/two.pdf", save_all=True, append_images=[other])
    Path("images/broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    args = ["--set", f"appUrl={sample_app.url}", "--set", "shape=documents"]

    assert main(["try", "images", *args, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["blobs"], report["documents"], report["failed"]) == (2, 2, 0)
    assert "broken.pdf" in {warning["key"].rpartition("/")[2] for warning in report["warnings"]}

    first, second = indexed()
    assert first["parent_id"] == second["parent_id"] == url_token(images_url(sample_app) + "two.pdf")
    assert first["id"] != second["id"]
    assert [first["page"], second["page"]] == [1, 2]
    assert first["vector"] != second["vector"]

    assert main(["try", "images", *args, "--out", "my index"]) == 0
    told = capsys.readouterr().out
    assert "2 blobs (1 without an image) in " in told
    assert "query WORD --index 'my index', or query --image PHOTO --index 'my index'." in told
    assert main(["query", "--image", str(FISH[0]), "--index", "my index", *args]) == 0


def test_an_app_that_is_not_there_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", str(SAMPLES), "--set", "appUrl=http://localhost:9"]) == 2
    assert "start it with 'make run'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "told"), [("nowhere", "There is no folder nowhere."), ("f", "f cannot be used as a")]
)
def test_a_folder_that_is_not_there_is_told(folder: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f").touch()
    assert main(["try", folder]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_a_folder_that_cannot_be_opened_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", denied)
    Path("mine").mkdir()
    assert main(["try", "mine"]) == 2
    assert "mine cannot be opened: this user has no right to it." in capsys.readouterr().err


def test_a_try_that_finds_nothing_says_why_and_keeps_the_earlier_index(capsys: pytest.CaptureFixture[str]) -> None:
    kept = Path("index") / "documents.jsonl"
    kept.parent.mkdir()
    kept.write_text("{}")
    Path("images").mkdir()
    for out in ("index", "new"):
        assert main(["try", "images", "--out", out]) == 2
        assert "There is no blob to read: images has no files." in capsys.readouterr().err
    assert kept.read_text() == "{}"
    assert not Path("new").exists()


@pytest.mark.parametrize("command", [one.__name__.rpartition(".")[2].removesuffix("_command") for one in COMMANDS])
def test_every_command_helps(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"Example: python -m infra.search {command}" in " ".join(capsys.readouterr().out.split())


def listed(folder: Path, definitions: Definitions) -> Listing:
    return blobs(folder, definitions.data_source, definitions.indexer["parameters"]["configuration"])


class Through(NamedTuple):
    """A run, and the documents that it kept."""

    run: Run
    documents: list[Mapping[str, Json]]


def through(
    server: SkillServer,
    images: int,
    wrong: Mapping[str, Callable[[Asked], Said]],
    limits: Mapping[str, int] | None = None,
    all_failed: Callable[[], None] = lambda: None,
    /,
    **given: str,
) -> Through:
    """A run over some images, with skills that answer rightly but for those that are given as wrong.

    `limits` replace the indexer's.
    """
    definitions = with_skills(server, wrong, define(read_parameters(given, None, {}, local=True)))
    definitions.indexer["parameters"] |= limits or {}
    kept: list[Mapping[str, Json]] = []
    folder = Path("images")
    folder.mkdir(exist_ok=True)
    for n in range(images):
        (folder / f"{n:03}.png").write_bytes(encoded(scene(size=(40, 30))))
    with WebApi() as call:
        url = "https://a.blob.core.windows.net/images/"
        found = run(definitions, listed(folder, definitions), url, call, kept.append, lambda *_: None, all_failed)
    assert found.documents == len(kept)
    return Through(found, kept)


def with_skills(
    server: SkillServer, wrong: Mapping[str, Callable[[Asked], Said]], definitions: Definitions
) -> Definitions:
    for skill in definitions.skillset["skills"]:
        if name := skill["name"] if skill["name"] in RIGHT else None:
            right = lambda asked, name=name: answered(asked, lambda data: RIGHT[name])  # noqa: E731 - one for each name
            skill["uri"] = server.add(wrong.get(name, right))
    return definitions


def test_skills_that_keep_the_rules_index_everything(server: SkillServer) -> None:
    found, documents = through(server, 3, {})
    assert (found.blobs, found.failed, found.issues) == (3, 0, [])
    assert [document["label"] for document in documents] == [["fish"]] * 3
    assert base64.urlsafe_b64decode(documents[0]["id"][:-1] + "=" * int(documents[0]["id"][-1])) == (
        b"https://a.blob.core.windows.net/images/000.png"
    )


@pytest.mark.parametrize(
    ("skill", "data", "told"),
    [
        ("embedding", {"vector": [0.5] * 255, "model": "m"}, "dimension of '256'"),
        ("clustering", {"label": "fish", "cluster": 1}, "The expected type was 'Collection(Edm.String)'"),
    ],
)
def test_an_answer_that_does_not_fit_the_index_fails_its_document(
    server: SkillServer, skill: str, data: Json, told: str
) -> None:
    found, _ = through(server, 2, {skill: lambda asked: answered(asked, lambda _: data)})
    assert (found.blobs, found.failed, found.documents) == (2, 2, 0)
    assert {issue.message for issue in found.issues} == {NOT_VALID}
    assert all(told in issue.details for issue in found.issues)


def failing(*numbers: int) -> Callable[[Asked], Said]:
    """Answers with an error for the images that come in as these, one after the other."""

    def behave(asked: Asked) -> Said:
        if asked.number in numbers:
            return Said("no", status=500)
        return answered(asked, lambda data: RIGHT["clustering"])

    return behave


@pytest.mark.parametrize(
    ("most", "read", "stopped"),
    [("-1", 6, ""), ("2", 6, ""), ("1", 4, "2 blobs failed, and maxFailedItems is 1"), ("0", 2, "1 blob failed")],
)
def test_a_run_ends_after_the_batch_in_which_too_many_failed(
    server: SkillServer, most: str, read: int, stopped: str
) -> None:
    one_by_one = {"documentsAtOnce": "2", "batchSize": "1", "degreeOfParallelism": "1", "maxFailedItems": most}
    found, _ = through(server, 6, {"clustering": failing(1, 3)}, **one_by_one)
    assert found.blobs == read
    assert found.documents == read - found.failed
    assert stopped in found.stopped
    assert bool(stopped) == bool(found.stopped)


@pytest.mark.parametrize(("most", "read"), [(-1, 6), (1, 6), (0, 4)])
def test_a_run_ends_after_a_batch_with_too_many_failures_of_its_own(server: SkillServer, most: int, read: int) -> None:
    one_by_one = {"documentsAtOnce": "2", "batchSize": "1", "degreeOfParallelism": "1"}
    limits = {"maxFailedItems": -1, "maxFailedItemsPerBatch": most}
    found, _ = through(server, 6, {"clustering": failing(3, 5)}, limits, **one_by_one)
    assert (found.blobs, found.failed) == (read, 2 if read == 6 else 1)
    assert found.stopped == (
        "" if read == 6 else "The run was stopped: 1 blob failed, and maxFailedItemsPerBatch is 0."
    )


def test_documents_are_kept_batch_by_batch(server: SkillServer) -> None:
    definitions = with_skills(server, {}, define(read_parameters({"documentsAtOnce": "2"}, None, {}, local=True)))
    for n in range(5):
        Path(f"{n}.png").write_bytes(encoded(scene(size=(40, 30))))
    kept: list[Mapping[str, Json]] = []
    steps: list[tuple[float, int]] = []
    listing = listed(Path(), definitions)
    with WebApi() as call:
        progress = lambda _, done: steps.append((done, len(kept)))  # noqa: E731 - short
        run(definitions, listing, "https://a/images/", call, kept.append, progress, lambda: None)
    assert steps == [(0, 0), (0.4, 2), (0.8, 4), (1, 5)]


def test_a_skill_that_keeps_the_contract_in_part_is_told_once_a_run(server: SkillServer) -> None:
    def old(asked: Asked) -> Said:
        records = [{"recordId": one["recordId"], "data": RIGHT["clustering"]} for one in asked.records]
        return values(records)

    found, documents = through(server, 4, {"clustering": old}, documentsAtOnce="1")
    assert len(documents) == 4
    (issue,) = found.issues
    assert (issue.name, issue.message, issue.warning) == ("Enrichment.WebApiSkill.clustering", SLACK, True)


def test_a_batch_that_failed_as_a_whole_is_told_to_who_may_end_the_run(server: SkillServer) -> None:
    class Enough(Exception):  # noqa: N818 - nobody's error
        pass

    def all_failed() -> None:
        raise Enough

    one_by_one = {"documentsAtOnce": "2", "batchSize": "1", "degreeOfParallelism": "1"}
    with pytest.raises(Enough):
        through(server, 4, {"clustering": failing(2, 3)}, None, all_failed, **one_by_one)
    shutil.rmtree("images")
    found, _ = through(server, 4, {"clustering": failing(1, 2)}, None, all_failed, **one_by_one)
    assert found.failed == 2


def test_documents_without_an_image_are_counted(server: SkillServer) -> None:
    Path("images").mkdir()
    Path("images/broken.jpg").write_bytes(b"no image")
    found, documents = through(server, 1, {})
    assert len(documents) == 2
    assert found.without_image == {"https://a.blob.core.windows.net/images/broken.jpg"}
    assert len(joined(found.issues, found.without_image)) == 2 < len(found.issues)
