"""What a refusal of the search service, or its silence, means and what to do about it."""

import re
from typing import Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.terminal import printable

_ROLES: Final = "the roles Search Service Contributor, and Search Index Data Contributor for documents"


def told(error: AzureError, url: str) -> str:
    """What is wrong and what to do about it, in a line."""
    if isinstance(error, HttpResponseError) and error.response is not None:
        return printable(_refused(error, url))
    if isinstance(error, ClientAuthenticationError):
        return "Nobody is signed in here: set AZURE_SEARCH_KEY to an admin key, or sign in with `az login`."
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        reason = re.search(r"\[Errno -?\d+\] ([\w ]+)", str(error))
        why = f" ({reason[1]})" if reason else ""
        return f"{url} cannot be reached{why}: is its name right, and may this machine reach it through its firewall?"
    return printable(_line(str(error)))


def _refused(error: HttpResponseError, url: str) -> str:
    status, said = error.status_code, _said(error)
    if "quota" in said.lower():
        return f"A limit of the search service is reached: {said} Delete what is not needed, or take a higher tier."
    match status:
        case 401 | 403:
            text = (
                f"{url} does not let this be done ({status}). A key must be one of its admin keys; who is signed in "
                f"needs {_ROLES}, and the service must allow roles. {said}"
            )
        case 404:
            text = f"{url} knows nothing of that: is it the url of a search service?"
            if said:
                text = f"{said} `python -m infra.search deploy` makes it; --set prefix=… says what it is called."
        case 409:
            text = f"The service cannot do that now (409). {said}"
        case 429:
            text = f"The service is asked too often: try again in a minute. {said}"
        case _ if status and status >= 500:
            text = f"The service is not well ({status}): try again later. {said}"
        case _ if said:
            text = f"The service refuses it ({status}): {said}"
        case _:
            text = f"{url} does not answer as a search service does ({status})."
    return text.strip()


def _said(error: HttpResponseError) -> str:
    """The service's own words, as one line; "" without any."""
    try:
        body = error.response.json()["error"]  # type: ignore[union-attr] # whoever calls has seen that there is one
        texts = [body["message"], *(detail["message"] for detail in body.get("details") or ())]
        return _line(" ".join(dict.fromkeys(texts)))
    except (ValueError, LookupError, TypeError, AttributeError):  # an answer from something else than the service
        return ""


def _line(text: str) -> str:
    return " ".join(text.split())
