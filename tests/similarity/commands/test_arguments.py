"""What can be typed: each command with the example that its help shows."""

import re
import shlex

import pytest

from similarity.__main__ import _arguments

COMMANDS = ("search", "duplicates", "train", "rankers", "evaluate")


def helped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as ended:
        _arguments([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    named = re.findall("^    ([a-z]+) ", helped(capsys, monkeypatch), re.MULTILINE)
    assert named == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_a_command_can_be_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (example,) = re.findall(f"Example: python -m similarity ({command} .*)", helped(capsys, monkeypatch, command))
    options = _arguments(shlex.split(example))
    assert callable(options.run)


@pytest.mark.parametrize(
    "typed", ["c a.jpg b.jpg --json", "c --json a.jpg b.jpg", "--json c a.jpg b.jpg", "c a.jpg --json b.jpg"]
)
@pytest.mark.parametrize("command", ["search", "duplicates"])
def test_photos_may_stand_before_and_behind_options(command: str, typed: str) -> None:
    options = _arguments([command, *typed.split()])
    assert (options.collection, options.photos, options.json) == ("c", ["a.jpg", "b.jpg"], True)


@pytest.mark.parametrize("typed", ["search c --jsn a.jpg", "search c --json a.jpg -x", "rankers c --json a.jpg"])
def test_what_means_nothing_is_refused(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _arguments(typed.split())
    assert ended.value.code == 2
    assert "unrecognized arguments: " in capsys.readouterr().err


def test_a_collection_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _arguments(["search", "half \ud800"])
    assert ended.value.code == 2
    assert "no collection can be called so" in capsys.readouterr().err
