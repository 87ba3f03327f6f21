"""docs/search.md names the parameters and commands that there are, with their defaults and variables."""

import json
import re

import pytest

from infra.search.__main__ import main
from infra.search.asking.querying import Query, about_scores
from infra.search.asking.result_page import html_file
from infra.search.trial.pictures import MAX_PIXELS
from tests.servers.devhost import ROOT

PAGE = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
MESSAGES = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
DECLARED = json.loads((ROOT / "infra/search/templates/parameters.json").read_text(encoding="utf-8"))
INDEX = json.loads((ROOT / "infra/search/templates/index.json").read_text(encoding="utf-8"))


def test_every_parameter_is_on_the_page_with_its_default_and_its_variable() -> None:
    table = PAGE.partition("## Parameters")[2].partition("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:4]] for line in table.splitlines() if line[:3] == "| `"]
    assert [name for name, *_ in rows] == list(DECLARED)
    for name, default, variable in rows:
        declared = DECLARED[name].get("default", "")
        if isinstance(declared, dict):
            assert all(f"`{value}`" in table for value in declared.values())
        else:
            assert default == (json.dumps(declared) if not isinstance(declared, str) else declared)
        assert variable == DECLARED[name].get("env", "")


def test_every_field_of_the_index_is_on_the_page() -> None:
    table = PAGE.partition("## What is in the index")[2].partition("\n## ")[0]
    named = [name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(field["name"] for field in INDEX["fields"])


def test_every_command_of_the_page_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    there = set(re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE))
    assert set(re.findall(r"infra\.search (\w+)", PAGE)) <= there
    listed = PAGE.partition("| command | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)", listed, re.MULTILINE)) | {"try"} == there


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    assert f"up to {MAX_PIXELS / 1e6:g} megapixels" in PAGE
    most = re.search(r"at most [\d /=.]+\d", about_scores(Query(words="a", image=b"")))
    assert most
    assert most[0] in PAGE
    for name in re.findall(r"--html (\S+?)[` \n]", PAGE):
        assert html_file(name).name == name


def test_both_pages_name_the_same_time_budget() -> None:
    here = re.search(r"`TIME_BUDGET_SECONDS` to (\d+)", PAGE)
    there = re.search(r"query by image: (\d+) is a good value", MESSAGES)
    assert here
    assert there
    assert here[1] == there[1]
    assert int(here[1]) < 60


def test_links_to_parts_of_the_page_lead_somewhere() -> None:
    parts = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= parts
