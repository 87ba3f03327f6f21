"""Older clients send the key of a subscription in a header of their own, and know the skills by other urls."""

from collections.abc import Callable, Mapping
from hmac import compare_digest

from shared.contract import CallError, Reply, error_reply
from shared.settings import Settings

HEADER = "Ocp-Apim-Subscription-Key"
"""What Azure API Management calls it; the access keys of the Functions host are not asked for on this route."""


def answer_subscriber(key: str, skill: str, skills: Mapping[str, Callable[[], Reply]], settings: Settings) -> Reply:
    """Answer a call that carries a subscription key.

    Args:
        key: What was sent as `HEADER`, "" when nothing was.
        skill: Which skill the url names.
        skills: What answers, by name. Nothing of the call is read before the key was compared.
        settings: Say which key is right.

    Returns:
        What the skill answers; 404 when no key is set or there is no such skill, 401 when the key is not the one.
    """
    if not settings.subscription_key:
        return error_reply(CallError(404, "This route is for older clients, and closed: SUBSCRIPTION_KEY is not set."))
    # A header, or a variable of the environment, may hold bytes that are no text; Python keeps them as half characters.
    given, right = (text.encode(errors="surrogatepass") for text in (key, settings.subscription_key))
    if not compare_digest(given, right):
        return error_reply(CallError(401, f"The header {HEADER} must carry the key that SUBSCRIPTION_KEY sets."))
    answer = skills.get(skill)
    if answer is None:
        return error_reply(CallError(404, f"There is no skill {skill!r:.50}: {' and '.join(sorted(skills))} are."))
    return answer()
