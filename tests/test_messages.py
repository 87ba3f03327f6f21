"""docs/messages.md has every text that a skill can answer with, and no other."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.servers.devhost import ROOT

PAGE = ROOT / "docs" / "messages.md"
STARTS = ("similarity.skill", "similarity.embedding_skill", "clustering.skill", "shared.subscription", "shared.stores")
NOT_SAID_BY_SKILLS = (
    # Of other calls: fits, labels, training.
    *("clustering/fits.py", "clustering/state.py", "similarity/ranking/examples.py", "similarity/ranking/measuring.py"),
    *("shared/image_ids.py", "similarity/ranking/trained.py"),
    "shared/backbone/__init__.py",  # for programmers
)
SQL = ("shared/sqlite/", "shared/cosmos/fits.py", "shared/cosmos/search.py", "shared/cosmos/store.py")
OF_OTHER_CALLS = {"The ranker … cannot be switched on: …."}


def test_the_page_has_every_text_of_the_skills_and_no_other() -> None:
    said = set(texts_of_the_skills())
    assert len(said) > 90
    page = PAGE.read_text(encoding="utf-8").partition("## What the service says")[0]
    shown = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert sorted(shown) == sorted(set(shown))
    assert set(shown) - said == set()
    assert said - set(shown) == set()


def texts_of_the_skills() -> Iterator[str]:
    for file in sorted(modules(STARTS)):
        if not file.relative_to(ROOT).as_posix().startswith((*NOT_SAID_BY_SKILLS, *SQL)):
            for text in literals(ast.parse(file.read_text(encoding="utf-8"))):
                if is_sentence(text) and text not in OF_OTHER_CALLS:
                    yield text


def modules(starts: Iterable[str]) -> set[Path]:
    """The files of some modules and of all that they import, also inside of functions."""
    found: set[Path] = set()
    left = list(starts)
    while left:
        file = file_of(left.pop())
        if file and file not in found:
            found.add(file)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    left += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    return found


def file_of(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def literals(node: ast.AST) -> Iterator[str]:
    """The texts in a piece of code, with … for what is filled in; not those of the log, and no docstrings."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        elif isinstance(child, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in child.values)
        elif not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)) and not is_logged(child):
            yield from literals(child)


def is_logged(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.")


def is_sentence(text: str) -> bool:
    """Whether it is for people: these begin with a capital or what is filled in, and end with a stop or that."""
    begins = text[:1].isupper() or text[:1] in "…'"
    return bool(text) and begins and text.endswith((".", ".)", "…")) and len(text.split()) > 3
