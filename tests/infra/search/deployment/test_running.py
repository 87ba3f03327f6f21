"""`run`, `status`, `reset` and `delete` against the stand-in."""

import base64
import io
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from infra.search.__main__ import main
from infra.search.deployment import running as running_module
from infra.search.deployment.document_keys import document_name
from shared import backbone
from tests.servers.search import Fault, SearchServer, search_service
from tests.servers.search.environment import settle
from tests.servers.search.runs import Runs, execution

INDEXER = "visual-skills-indexer"
URL = "https://photos.blob.core.windows.net/images/red%20boats/a.jpg"
ERROR = {
    "key": URL,
    "statusCode": 400,
    "name": "Enrichment.WebApiSkill.similarity",
    "errorMessage": "Could not execute skill because the Web Api request failed.",
    "details": "Web Api response status: 'InternalServerError'",
}
WARNING = {"key": URL, "message": "Could not map output field 'tags' to search index."}


@pytest.fixture(scope="module")
def running() -> Iterator[SearchServer]:
    with search_service() as server:
        yield server


@pytest.fixture
def search(running: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SearchServer:
    """All is deployed, and the first run has ended."""
    settle(running, monkeypatch)
    assert main(["deploy"]) == 0
    running.runs(INDEXER).status(INDEXER)
    running.asked.clear()
    capsys.readouterr()
    for name in ("SKILLS_APP_URL", "SKILLS_FUNCTION_KEY", "IMAGES_STORAGE_ACCOUNT_ID"):
        monkeypatch.delenv(name)  # none of these commands needs them
    return running


def runs(search: SearchServer) -> Runs:
    return search.runs(INDEXER)


def test_a_run_is_waited_for(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    runs(search).next = [[execution("inProgress"), execution("inProgress", items=40), execution("success", items=64)]]
    assert main(["run"]) == 0
    assert capsys.readouterr().out == "64 documents, 0 failed: success.\n"
    assert search.written() == [f"POST /indexers('{INDEXER}')/search.run"]


def test_the_run_before_is_not_taken_for_the_new_one(search: SearchServer, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    real = Runs.status

    def late(self: Runs, name: str) -> object:
        """The service shows a run some time after it was told to."""
        looks.append(1)
        if len(looks) < 4:
            return {"name": name, "status": "running", "lastResult": self.history[0], "executionHistory": []}
        return real(self, name)

    monkeypatch.setattr(Runs, "status", late)
    runs(search).next = [[execution("success", failed=1)]]
    assert main(["run"]) == 1, "the run before had no failure"
    assert len(looks) == 4


def test_a_reset_in_the_history_is_no_run(search: SearchServer, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    real = Runs.status

    def late(self: Runs, name: str) -> object:
        """The service shows first the run before, then the reset, then the run."""
        looks.append(1)
        if len(looks) < 4:
            entry = self.history[1 if len(looks) < 3 else 0]
            return {"name": name, "status": "running", "lastResult": entry, "executionHistory": []}
        return real(self, name)

    runs(search).reset()
    runs(search).next = [[execution("success", items=2)]]
    monkeypatch.setattr(Runs, "status", late)
    assert main(["run"]) == 0, "a reset is neither the run nor a failure"
    assert len(looks) == 4


def test_an_interruption_says_that_the_run_goes_on(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(running_module, "status", interrupted)
    for command in (["run"], ["reset", "--yes", "--run"]):
        assert main(command) == 2
        assert "stopped; a run that has begun goes on in the service" in capsys.readouterr().err


def test_a_run_that_never_begins_is_told(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running_module, "BEGINS_WITHIN", 3)
    monkeypatch.setattr(
        Runs, "status", lambda self, name: {"name": name, "status": "error", "lastResult": self.history[0]}
    )
    assert main(["run"]) == 2
    assert "was told to run, but has not begun" in capsys.readouterr().err


def test_an_indexer_that_is_running_already_is_waited_for(
    search: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(search).next = [[execution("inProgress", items=1)] * 3 + [execution("success", items=9)]]
    runs(search).start()
    assert main(["run"]) == 0
    assert capsys.readouterr().out == (
        f"The indexer {INDEXER} is running already: waiting for that run.\n9 documents, 0 failed: success.\n"
    )


def test_errors_and_warnings_are_shown_by_document(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    runs(search).next = [
        [execution("success", items=3, failed=1, errors=[ERROR], warnings=[WARNING] * 12)],
    ]
    assert main(["run"]) == 1
    said = capsys.readouterr().out
    assert (
        "  red boats/a.jpg: Could not execute skill because the Web Api request failed. Web Api response status: "
        "'InternalServerError' (Enrichment.WebApiSkill.similarity)\n"
    ) in said
    assert said.count("  red boats/a.jpg: Could not map output field 'tags'") == 10
    assert "  and 2 more: --json has all" in said


def test_a_run_that_ends_early_says_why(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    runs(search).next = [[execution("transientFailure", items=1, message="Too many\nfailed \x1b[31mitems")]]
    assert main(["run"]) == 1
    said = capsys.readouterr().out
    assert "1 document, 0 failed: transientFailure." in said
    assert "\x1b" not in said
    assert "The run ended early: " in said


def test_the_run_as_json(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    runs(search).next = [[execution("success", items=3, failed=1, errors=[ERROR])]]
    assert main(["run", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["alreadyRunning"] is False
    assert answer["run"]["errors"] == [ERROR]


@pytest.mark.parametrize("command", ["run", "status", "reset --yes"])
def test_without_an_indexer_deploying_is_the_advice(
    search: SearchServer, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--set", "prefix=other"]) == 2
    told = capsys.readouterr().err
    assert "No indexer with the name 'other-indexer' was found" in told
    assert "`python -m infra.search deploy` makes it" in told


def test_the_status_tells_runs_documents_and_models(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    models = [backbone.MODEL] * 3 + ["older/1"]
    search.documents["visual-skills"] = [{"id": str(number), "model": model} for number, model in enumerate(models)]
    runs(search).next = [[execution("success", items=1, failed=1, errors=[ERROR])]]
    runs(search).start()
    runs(search).status(INDEXER)
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "Index visual-skills: 4 documents, 0.0 MB.\n" in said
    assert f"  of the model {backbone.MODEL}: 3\n" in said
    assert "1 of them are not of this project's model" in said
    assert f"Indexer {INDEXER}: idle.\n" in said
    assert "  1 done  1 failed  0 warnings  2026-11-22 10:02  success\n" in said
    assert "1 document came since, which look-alikes and groups of those before do not know" in said
    assert "red boats/a.jpg: Could not execute" in said


@pytest.mark.parametrize(
    ("last", "state", "said"),
    [
        (None, "new", "it has not run yet"),
        ("success", "idle", "idle"),
        ("inProgress", "running", "running, 7 documents so far"),
    ],
)
def test_the_status_is_the_same_for_people_and_for_scripts(
    search: SearchServer, capsys: pytest.CaptureFixture[str], last: str | None, state: str, said: str
) -> None:
    runs(search).history.clear()
    if last:
        runs(search).next = [[execution(last, items=7)] * 3]
        runs(search).start()
    assert main(["status", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["state"] == state
    assert "status" not in answer["indexer"], "the service calls an indexer running that may run"
    assert main(["status"]) == 0
    assert f"Indexer {INDEXER}: {said}.\n" in capsys.readouterr().out


def test_after_a_reset_everything_is_new(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    runs(search).start()
    runs(search).status(INDEXER)
    assert main(["reset", "--yes", "--run"]) == 0
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["since"] == {"allRead": "2026-11-22T10:04:00.000Z", "indexedAfter": 0}
    assert [run["status"] for run in answer["indexer"]["executionHistory"]][:2] == ["success", "reset"]


def test_a_reset_alone_has_read_nothing(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reset", "--yes"]) == 0
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["since"]["allRead"] == "2026-11-22T10:01:00.000Z"


def test_a_history_that_does_not_reach_back_is_not_guessed(
    search: SearchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    del runs(search).history[-1]
    runs(search).start()
    runs(search).status(INDEXER)
    assert main(["status"]) == 0
    assert "Everything was read before 2026-11-22, as far back as the service remembers; 3 documents came since" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("answer", ["\n", "n\n", ""])
def test_a_reset_is_asked_about(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    assert main(["reset"]) == 2
    assert search.written() == []
    said = capsys.readouterr().out
    assert "Every blob is read and every skill is asked again" in said
    assert f"Reset the indexer {INDEXER} of the index visual-skills at {search.url}? [y/N] \n" in said
    assert said.endswith("\n"), "the error comes on a line of its own"


def test_a_reset_that_is_confirmed_is_done(search: SearchServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert main(["reset"]) == 0
    assert search.written() == [f"POST /indexers('{INDEXER}')/search.reset"]


def test_json_and_a_question_do_not_go_together(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["delete", "--json"]) == 2
    assert "say --yes too" in capsys.readouterr().err
    assert search.written() == []


def test_all_is_deleted_in_the_reverse_order(search: SearchServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["delete", "--yes"]) == 0
    assert search.written() == [
        "DELETE /indexers('visual-skills-indexer')",
        "DELETE /skillsets('visual-skills-skills')",
        "DELETE /indexes('visual-skills')",
        "DELETE /datasources('visual-skills-blobs')",
    ]
    assert main(["delete", "--yes"]) == 0
    assert "There is nothing of visual-skills" in capsys.readouterr().out


def test_the_index_can_be_kept(search: SearchServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["delete", "--keep-index"]) == 0
    assert [*search.objects["indexes"]] == ["visual-skills"]
    assert not search.objects["indexers"]


def test_a_deletion_says_what_of_before_it_asks_and_asks_before_it_looks(
    search: SearchServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert main(["delete"]) == 2
    assert search.asked == []
    assert capsys.readouterr().out == (
        f"To be deleted at {search.url}:\n"
        "  indexer visual-skills-indexer\n"
        "  skillset visual-skills-skills\n"
        "  index visual-skills, with all its documents\n"
        "  data source visual-skills-blobs\n"
        "Delete those of them that are there? [y/N] \n"
    )


def test_a_fault_that_passes_is_not_told(search: SearchServer) -> None:
    search.faults = [Fault("GET", ".*search.status", 503, "busy", times=2)]
    assert main(["run"]) == 0


def token(url: str) -> str:
    text = base64.urlsafe_b64encode(url.encode()).decode()
    return text.rstrip("=") + str(text.count("="))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (URL, "red boats/a.jpg"),
        (token(URL), "red boats/a.jpg"),
        (token("https://h/images/>>>x>>>xx>>>.jpg"), ">>>x>>>xx>>>.jpg"),
        (token(URL + "x"), "red boats/a.jpgx"),
        (token(URL + "xy"), "red boats/a.jpgxy"),
        (f"f9f29713558d_{token(URL)}_normalized_images_4", "red boats/a.jpg, image 5"),
        (f"localId={quote(URL, safe='').lower()}&documentKey={quote(URL, safe='')}", "red boats/a.jpg"),
        ("", "the run"),
        ("888", "888"),
        ("https://host", "https://host"),
        ("not base64 é", "not base64 é"),
        ("YWJj0", "YWJj0"),
    ],
)
def test_a_key_is_told_as_the_path_of_its_blob(key: str, name: str) -> None:
    assert document_name(key) == name
