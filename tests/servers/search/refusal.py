"""An answer that is an error, with the text of the real service where that is known."""

from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer, not a mistake
    """What a request gets in the place of what it asked for."""

    def __init__(self, status: int, message: str, code: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"code": code, "message": message}}
        if detail:
            self.body["error"]["details"] = [{"code": detail, "message": message}]


def unknown(kind: str, name: str) -> Refusal:
    """Nothing is called so. Seen of indexes; of the others by analogy."""
    return Refusal(404, f"No {kind} with the name '{name}' was found in the service 'stand-in'.")
