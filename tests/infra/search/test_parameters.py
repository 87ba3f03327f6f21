"""Where the values of parameters come from, and what is said of those that cannot be used."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.search.definitions import define
from infra.search.parameters import ParameterError, declarations, read_parameters

_ACCOUNT = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/photos"
_NEEDED = {
    "SKILLS_APP_URL": "https://skills.azurewebsites.net",
    "SKILLS_FUNCTION_KEY": "k3y",
    "IMAGES_STORAGE_ACCOUNT_ID": _ACCOUNT,
}


def _trouble(given: Mapping[str, str], file: Path | None = None, *, local: bool = True) -> str:
    with pytest.raises(ParameterError) as caught:
        read_parameters(given, file, {} if local else _NEEDED, local=local)
    return str(caught.value)


def _file(folder: Path, content: object) -> Path:
    file = folder / "parameters.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_what_is_typed_comes_before_a_file_before_the_environment_before_the_default(tmp_path: Path) -> None:
    file = _file(tmp_path, {"container": "from-file", "prefix": "from-file"})
    env = {**_NEEDED, "IMAGES_CONTAINER": "from-env", "AI_SERVICES_URL": "https://ai.example"}

    values = read_parameters({"prefix": "typed"}, file, env)

    assert values["prefix"] == "typed"
    assert values["container"] == "from-file"
    assert values["aiServicesUrl"] == "https://ai.example"
    assert values["imageSide"] == 512
    assert values["functionKey"] == "k3y"
    assert values.keys() == declarations().keys()
    assert read_parameters({}, None, env)["container"] == "from-env"


def test_text_becomes_the_parameters_type() -> None:
    values = read_parameters({"imageSide": "640", "ocr": "True", "maxFailedItems": "-1"}, None, {}, local=True)

    assert (values["imageSide"], values["ocr"], values["maxFailedItems"]) == (640, True, -1)


def test_an_empty_environment_variable_is_none() -> None:
    assert read_parameters({}, None, {**_NEEDED, "IMAGES_CONTAINER": ""})["container"] == "images"


@pytest.mark.parametrize(("shape", "read"), [("images", ".jpg"), ("documents", ".pdf")])
def test_the_files_that_are_read_depend_on_the_shape(shape: str, read: str) -> None:
    extensions = read_parameters({"shape": shape}, None, {}, local=True)["extensions"]

    assert read in str(extensions).split(",")
    assert read_parameters({"shape": shape, "extensions": ".x"}, None, {}, local=True)["extensions"] == ".x"


def test_a_blob_of_many_images_is_taken_with_fewer_others() -> None:
    at_once = [
        read_parameters({"shape": shape}, None, {}, local=True)["documentsAtOnce"] for shape in ("images", "documents")
    ]

    assert at_once == [32, 4]


def test_the_local_indexer_needs_nothing_and_may_ask_an_app_over_http() -> None:
    values = read_parameters({}, None, {}, local=True)

    assert values["appUrl"] == "http://localhost:7071"
    assert values["functionKey"] == ""


def test_all_that_is_missing_is_named_at_once_with_how_to_give_it() -> None:
    with pytest.raises(ParameterError) as caught:
        read_parameters({}, None, {})

    app, key, account = str(caught.value).splitlines()
    assert app.startswith(
        "appUrl is missing; it comes from --set appUrl=… or a file of --parameters or the environment"
    )
    assert "SKILLS_APP_URL" in app
    assert account.startswith("storageAccountId is missing;")
    assert "IMAGES_STORAGE_ACCOUNT_ID" in account
    assert key.startswith("functionKey is missing; it comes from the environment variable SKILLS_FUNCTION_KEY.")


def test_a_sign_in_does_not_stand_for_the_key_which_the_functions_host_asks_for() -> None:
    with pytest.raises(ParameterError, match="functionKey is missing"):
        read_parameters({"authResourceId": "api://skills"}, None, {**_NEEDED, "SKILLS_FUNCTION_KEY": ""})

    both = define(read_parameters({"authResourceId": "api://skills"}, None, _NEEDED))
    vectorizer = both.index["vectorSearch"]["vectorizers"][0]["customWebApiParameters"]
    for call in (*both.skillset["skills"][:3], vectorizer):
        assert (call["httpHeaders"], call["authResourceId"]) == ({"x-functions-key": "k3y"}, "api://skills")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shap": "images"}, "'shap' (--set) is no parameter: did you mean shape?"),
        ({"zzz": "1"}, "'zzz' (--set) is no parameter: there are prefix, shape, "),
        ({"imageSide": "63"}, "imageSide (--set) cannot be 63: it takes 64 to 10000."),
        ({"imageSide": "10001"}, "imageSide (--set) cannot be 10001: it takes 64 to 10000."),
        ({"imageSide": "wide"}, "imageSide (--set) cannot be 'wide': it takes an integer"),
        ({"imageSide": "5e2"}, "imageSide (--set) cannot be '5e2'"),
        ({"ocr": "yes"}, "ocr (--set) cannot be 'yes': it takes true or false."),
        ({"shape": "circle"}, "shape (--set) cannot be 'circle': it takes images or documents."),
        (
            {"timeout": "PT231S"},
            "timeout (--set) cannot be 'PT231S'. How long one call of a skill may take, PT1S to PT230S.",
        ),
        ({"timeout": "PT0S"}, "timeout (--set) cannot be 'PT0S'."),
        ({"schedule": "PT4M"}, "schedule (--set) cannot be 'PT4M'."),
        ({"prefix": "Photos"}, "prefix (--set) cannot be 'Photos'."),
        ({"prefix": "a" * 51}, "prefix (--set) cannot be "),
        ({"prefix": ""}, "prefix (--set) cannot be ''."),
        ({"container": "a--b"}, "container (--set) cannot be 'a--b'."),
        ({"container": "ab"}, "container (--set) cannot be 'ab'."),
        ({"folder": "a//b"}, "folder (--set) cannot be 'a//b'."),
        ({"appUrl": "ftp://skills"}, "appUrl (--set) cannot be 'ftp://skills'."),
        ({"appUrl": "https://skills/api/"}, "appUrl (--set) cannot be 'https://skills/api/'."),
        ({"storageAccountId": "photos"}, "storageAccountId (--set) cannot be 'photos'."),
        ({"knowledgeTable": "Rows"}, "knowledgeTable is unused: it has an effect only with knowledgeStore=true."),
        (
            {"aiServicesUrl": "https://x"},
            "aiServicesUrl is unused: it has an effect only with imageAnalysis=true or ocr=true.",
        ),
    ],
)
def test_what_cannot_be_given_is_refused_with_what_can(given: dict[str, str], said: str) -> None:
    assert said in _trouble(given)


def test_only_the_local_indexer_asks_an_app_over_http() -> None:
    said = _trouble({"appUrl": "http://skills"}, local=False)
    assert "appUrl (--set) cannot be 'http://skills'." in said
    assert "https, such as https://NAME.azurewebsites.net" in said


@pytest.mark.parametrize("origin", ["--set", "file", "environment"])
def test_a_slash_at_the_end_of_an_address_is_taken_off(tmp_path: Path, origin: str) -> None:
    url = {"appUrl": "https://skills.example/"}
    given, file, env = ({}, None, {"SKILLS_APP_URL": url["appUrl"]}) if origin == "environment" else (url, None, {})
    if origin == "file":
        given, file = {}, _file(tmp_path, url)
    values = read_parameters(given, file, env, local=True)
    assert values["appUrl"] == "https://skills.example"
    assert read_parameters({"folder": "dogs/"}, None, {}, local=True)["folder"] == "dogs/"


def test_a_value_from_the_environment_is_told_by_the_variables_name() -> None:
    with pytest.raises(ParameterError, match="IMAGES_CONTAINER"):
        read_parameters({}, None, {"IMAGES_CONTAINER": "A"}, local=True)


def test_what_has_an_effect_by_a_switch_is_used() -> None:
    given = {"knowledgeStore": "true", "knowledgeTable": "Rows", "ocr": "true", "aiServicesUrl": "https://x"}

    assert read_parameters(given, None, {}, local=True)["knowledgeTable"] == "Rows"


def test_an_unused_value_of_the_environment_troubles_nobody() -> None:
    assert read_parameters({}, None, {"AI_SERVICES_URL": "https://x"}, local=True)["ocr"] is False


def test_a_secret_comes_from_the_environment_only_and_is_never_shown(tmp_path: Path) -> None:
    for said in (
        _trouble({"functionKey": "hush-hush"}),
        _trouble({}, _file(tmp_path, {"functionKey": "hush-hush"})),
    ):
        assert "functionKey is a secret" in said
        assert "SKILLS_FUNCTION_KEY" in said
        assert "hush" not in said
    with pytest.raises(ParameterError) as caught:
        read_parameters({}, None, {"SKILLS_FUNCTION_KEY": "hush\nhush"}, local=True)
    assert "functionKey (SKILLS_FUNCTION_KEY) cannot be this value." in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"imageSide": "512"}, "imageSide (the file) cannot be '512': it takes an integer."),
        ({"imageSide": True}, "imageSide (the file) cannot be True: it takes an integer."),
        ({"imageSide": None}, "imageSide (the file) cannot be None: it takes an integer."),
        ({"ocr": 1}, "ocr (the file) cannot be 1: it takes true or false."),
        ({"prefix": ["a"]}, "prefix (the file) cannot be ['a']: it takes a string."),
        ({"imagesize": 1}, "parameters.json) is no parameter: did you mean imageSide?"),
        ([1], "is no JSON object such as"),
        ("{", "is not JSON:"),
    ],
)
def test_a_file_is_json_with_values_of_the_right_types(tmp_path: Path, content: object, said: str) -> None:
    assert said in _trouble({}, _file(tmp_path, content))


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    assert _trouble({}, tmp_path / "none.json") == f"There is no file {tmp_path / 'none.json'}."


def test_every_mistake_is_told_at_once() -> None:
    assert len(_trouble({"shap": "x", "imageSide": "0", "ocr": "?"}).splitlines()) == 3
