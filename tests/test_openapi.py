"""The OpenAPI document: it names every route of the app, and the app answers as it says, good calls and bad ones."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from shutil import copyfile, copytree
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from azure.functions import AuthLevel
from azure.functions.decorators.http import HttpTrigger
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import function_app
from shared.image_ids import id_of
from shared.openapi import FILE
from tests.conftest import SAMPLES, running_on
from tests.pictures import as_base64
from tests.servers.devhost import Devhost, wait_until

DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
METHODS = ("get", "put", "post", "patch", "delete")
OPERATIONS = {
    (method, path): item[method] for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item
}
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

type Ask = Callable[..., Any]

C = "/collections/{collection}"
LABELS = ("fish", "flowers", "planets")
KEY = "an older client's key"
FISH, COPY = "photos/fish/pompano.jpg", "photos/copy.jpg"
EXAMPLES = 6
"""Of each operation and kind, good calls and bad ones."""

EXAMPLES_OF_SLOW = 3
"""Of a training, which takes half a second and more."""

LONGEST_SEGMENT = 2000
"""Bytes of a url's part that hosts take."""


def test_every_route_is_in_the_document_and_no_other() -> None:
    triggers = [function.get_trigger() for function in function_app.app.get_functions()]
    has = {
        (method.value.lower(), f"/{trigger.route}"): trigger.auth_level
        for trigger in triggers
        if isinstance(trigger, HttpTrigger)
        for method in trigger.methods or ()
    }
    assert set(OPERATIONS) == set(has)
    open_to_all = {name for name, operation in OPERATIONS.items() if operation.get("security") == []}
    assert open_to_all == {name for name, level in has.items() if level == AuthLevel.ANONYMOUS}


def test_the_document_is_openapi() -> None:
    SCHEMA.validate()
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@pytest.fixture(scope="module")
def app(store_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devhost]:
    """An app of its own, with photos of three kinds, a copy and a broken one: what is asked here changes much."""
    images = tmp_path_factory.mktemp("images")
    for label in LABELS:
        copytree(SAMPLES / "photos" / label, images / "photos" / label)
    copyfile(SAMPLES / FISH, images / COPY)
    (images / "photos/broken.jpg").write_bytes((SAMPLES / FISH).read_bytes()[:3000])
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:  # of this app only: others start while it runs
            environment.setenv("SUBSCRIPTION_KEY", KEY)
            host = stack.enter_context(running_on(store_kind, images, tmp_path_factory.mktemp("data")))
        yield host


def test_all_that_can_be_asked_is_done_and_answered_as_the_document_says(app: Devhost) -> None:
    """From a folder of photos to pictures, look-alikes, duplicates, a ranker and clusters."""
    done = set()

    def ask(
        method: str, path: str, status: int = 200, body: Any = None, known: str | None = None, **values: str
    ) -> Any:
        given = {name: value for name, value in {"collection": "photos", **values}.items() if f"{{{name}}}" in path}
        query = {name: value for name, value in values.items() if name not in given}
        sent = {} if body is None else {"body": body, "media_type": "application/json"}
        headers = {"If-None-Match": known} if known else {}
        headers |= {"Ocp-Apim-Subscription-Key": KEY} if "skill" in given else {}
        case = SCHEMA[path][method].Case(path_parameters=given, query=query, headers=headers, **sent)
        reply = case.call(f"{app.url}/api", timeout=60)
        assert reply.status_code == status, reply.text
        case.validate_response(reply, checks=CHECKS)
        if status < 300:
            done.add((method, path))
        (kind,) = reply.headers["content-type"]
        return reply.json() if kind == "application/json" else reply.content

    look(ask)
    find(ask)
    learn(ask)
    call_skills(ask)
    cluster(ask)
    keep_in_step(ask)
    assert done == set(OPERATIONS)


def look(ask: Ask) -> None:
    assert ask("get", "/health")["status"] == "ready"
    assert ask("get", "/openapi.json") == DOCUMENT
    (one,) = ask("get", "/collections")["collections"]
    assert (one["collection"], one["images"]) == ("photos", 29)
    images = {image["path"]: image for image in ask("get", C + "/images")["images"]}
    assert len(images) == 30
    image, broken = images[FISH]["id"], images["photos/broken.jpg"]["id"]
    assert ask("get", C + "/images/{image}", image=image, vector="true")["size"] == (SAMPLES / FISH).stat().st_size
    assert ask("get", C + "/images/{image}", image=broken)["state"] == "failed"
    assert ask("get", C + "/images/{image}/picture", image=image) == (SAMPLES / FISH).read_bytes()
    assert ask("get", C + "/images/{image}/picture", 304, image=image, known="*") == b""
    with Image.open(io.BytesIO(ask("get", C + "/images/{image}/thumbnail", image=image, side="64"))) as small:
        assert (small.format, max(small.size)) == ("JPEG", 64)
    assert ask("get", C + "/images/{image}/thumbnail", 409, image=broken)["error"]


def find(ask: Ask) -> None:
    found = ask("post", C + "/search", body={"path": FISH, "top": 4})
    assert (found["most_similar"][0], FISH in found["most_similar"], len(found["matches"])) == (COPY, False, 4)
    region = {"boundingBox": {"x": 0, "y": 0, "w": 0.9, "h": 0.9}}
    assert ask("post", C + "/search", body=photo(FISH) | region)["most_similar"][:2] == [COPY, FISH]
    groups = ask("post", C + "/search", body={"positives": [FISH], "groupBy": "folder", "top": 9})
    assert {match["group"] for match in groups["matches"]} == {"photos", *(f"photos/{label}" for label in LABELS)}
    pairs = [
        [group["keep"]["path"], *(one["path"] for one in group["duplicates"])]
        for group in ask("post", C + "/duplicates")["groups"]
    ]
    assert [FISH, COPY] in pairs  # the copy came later
    (copy, itself) = ask("post", C + "/duplicates", body=photo(FISH))["duplicates"]
    assert (copy["path"], itself["path"], copy["kind"]) == (COPY, FISH, "copy")


def learn(ask: Ask) -> None:
    assert ask("get", C + "/rankers")["rankers"] == []
    trained = ask("post", C + "/rankers", body={"ranker": "projection", "labels": "folder"})
    assert (trained["labels"], trained["images"]) == (3, 28)
    assert ask("get", C + "/rankers")["on"] == ask("get", C)["ranker"] == ("projection" if trained["on"] else None)
    for match in ask("post", C + "/search", body={"path": FISH, "rerank": "projection"})["matches"]:
        assert "rankScore" in match
    assert ask("patch", C + "/rankers", body={"on": None})["on"] is None
    assert ask("delete", C + "/rankers/{ranker}", ranker="projection")["rankers"] == []


def call_skills(ask: Ask) -> None:
    body = {"values": [{"recordId": "0", "data": photo(FISH)}, {"recordId": "1", "data": {}}]}
    for method in ("post", "put"):
        for route, output in (("similarity", "matches"), ("embedding", "vector"), ("clustering", "cluster")):
            where = {"collection": "photos"} if route != "embedding" else {}
            good, bad = ask(method, f"/{route}", body=body, **where)["values"]
            assert output in good["data"]
            assert bad["errors"]
    for skill, output in (("similarity", "most_similar"), ("clustering", "label")):
        assert output in ask("post", "/extraction/{skill}", body=body, skill=skill)["values"][0]["data"]


def cluster(ask: Ask) -> None:
    k = C + "/clusters"
    ask("get", k, 404)
    assert ask("post", k, 202, {"eps": 0.5})["state"] == "queued"
    wait_until(lambda: ask("get", k + "/fit")["state"] == "done", timeout=60)
    largest = ask("get", k)["clusters"][0]
    which = str(largest["cluster"])
    assert len(ask("get", k + "/{cluster}/images", cluster=which)["images"]) == largest["size"]
    assert ask("patch", k + "/labels", body={"set": {which: ["花"]}})["labels"][which] == ["花"]
    labels = ask("get", k + "/labels")
    assert ask("put", k + "/labels", body=labels) == labels
    assert "花" in ask("get", k + "/labels", format="csv").decode()
    assert ask("get", k + "/report").startswith(b"<!DOCTYPE html>")
    assert ask("get", k + "/report", cluster=which).startswith(b"\x89PNG")
    assert ask("delete", k + "/fit", 409)["error"]
    ask("post", k, 202, {"eps": 0.5})
    ask("delete", k + "/fit")


def keep_in_step(ask: Ask) -> None:
    (failure,) = ask("get", C + "/failures")["failures"]
    assert failure["path"] == "photos/broken.jpg"
    assert ask("post", C + "/failures/retry")["failed"] == 1
    assert ask("post", C + "/reconcile")["complete"]


def photo(path: str) -> dict[str, Any]:
    return {"image": {"data": as_base64((SAMPLES / path).read_bytes())}}


ASKED_WITH = [
    (mode, method, path)
    for mode in GenerationMode
    for method, path in OPERATIONS
    if mode is GenerationMode.POSITIVE or path != "/health"  # where nothing is given, nothing can be wrong
]


@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True, scope="session")
@pytest.mark.parametrize(("mode", "method", "path"), ASKED_WITH)
def test_whatever_is_asked_is_answered_as_the_document_says(
    app: Devhost, mode: GenerationMode, method: str, path: str
) -> None:
    operation = SCHEMA[path][method]
    there = {"collection": "photos", "image": id_of(FISH), "cluster": "0", "ranker": "svm", "skill": "clustering"}

    count = EXAMPLES_OF_SLOW if operation.definition.raw["operationId"] == "train_ranker" else EXAMPLES

    @hypothesis_settings(max_examples=count, derandomize=True, database=None)
    @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
    def ask(case: schemathesis.Case[Any], known: bool) -> None:
        if known:  # most of what is made up is not there
            case.path_parameters.update({name: there[name] for name in case.path_parameters})
        assume(all(len(quote(str(value))) < LONGEST_SEGMENT for value in case.path_parameters.values()))
        case.call_and_validate(f"{app.url}/api", checks=CHECKS, timeout=60)

    ask()
