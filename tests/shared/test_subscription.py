"""The route of older clients: closed without a key, and nothing of a call is read before its key was compared."""

import json

import pytest

from shared.contract import Reply
from shared.settings import Settings
from shared.subscription import answer_subscriber

KEY = "a key of 24 characters …"
OPEN = Settings(subscription_key=KEY)


def fine() -> Reply:
    return Reply(200, "fine")


def never() -> Reply:
    raise AssertionError("asked without the key")


def ask(key: str, skill: str = "similarity", settings: Settings = OPEN) -> tuple[int, str]:
    reply = answer_subscriber(key, skill, {"similarity": never if key != KEY else fine, "clustering": never}, settings)
    return reply.status, str(reply.body)


def test_the_right_key_is_answered_by_the_skill_that_the_url_names() -> None:
    assert ask(KEY) == (200, "fine")


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + " ", KEY.upper(), "ß", "\udcff", "x" * 100_000])
def test_any_other_key_is_a_401_that_says_neither(key: str) -> None:
    status, body = ask(key)
    assert status == 401
    assert "Ocp-Apim-Subscription-Key" in json.loads(body)["error"]
    assert len(body) < 200
    assert KEY not in json.loads(body)["error"]


@pytest.mark.parametrize("key", ["", KEY])
def test_without_a_key_set_the_route_is_closed_and_says_which_setting_opens_it(key: str) -> None:
    status, body = ask(key, settings=Settings())
    assert (status, "SUBSCRIPTION_KEY is not set" in body) == (404, True)


@pytest.mark.parametrize("skill", ["embedding", "Similarity", "", "../health"])
def test_an_unknown_skill_is_a_404_that_names_those_there_are_to_those_with_the_key(skill: str) -> None:
    status, body = ask(KEY, skill)
    assert (status, "clustering and similarity" in body) == (404, True)
    assert ask("", skill)[0] == 401
