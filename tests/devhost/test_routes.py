from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.routes import RouteError, compile_route, decode


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("api/similarity", "/api/similarity", {}),
        ("api/similarity", "/API/Similarity", {}),
        ("api/similarity", "/api/similarity/x", None),
        ("api/users/{id}", "/api/users/7", {"id": "7"}),
        ("api/users/{id}", "/api/users/7/8", None),
        ("api/users/{id}", "/api/users", None),
        ("api/users/{id:int}", "/api/users/-7", {"id": "-7"}),
        ("api/users/{id:int}", "/api/users/seven", None),
        ("api/users/{id:int}", "/api/users/\u0667", None),  # a digit, but not one of ours
        ("api/users/{id:int?}", "/api/users", {}),
        ("api/users/{id:int?}", "/api/users/7", {"id": "7"}),
        ("api/users/{id:int?}", "/api/users/x", None),
        ("api/files/{*rest}", "/api/files/a/b c.jpg", {"rest": "a/b c.jpg"}),
        ("api/files/{*rest}", "/api/files", {}),
        ("api/files/{*rest}", "/api/filesystem", None),
        ("a/{x:guid}", "/a/3f2504e0-4f89-11d3-9a0c-0305e82c3301", {"x": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}),
        ("a/{x:guid}", "/a/3f2504e0", None),
        ("a/{x:bool}", "/a/True", {"x": "True"}),
        ("a/{x:alpha:length(2)}", "/a/de", {"x": "de"}),
        ("a/{x:alpha:length(2)}", "/a/deu", None),
        ("a/{x:alpha:length(2)}", "/a/d1", None),
        ("a/{x:minlength(2)}", "/a/d", None),
        ("a/{x:double}", "/a/1.5e3", {"x": "1.5e3"}),
        ("a/{name}.{kind}", "/a/cat.jpg", {"name": "cat", "kind": "jpg"}),
        ("a/v{n:int}", "/a/v2", {"n": "2"}),
        ("a.b", "/axb", None),
    ],
)
def test_match(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert compile_route(template).match(path) == expected


@pytest.mark.parametrize("template", ["a/{x:regex(^b$)}", "a/{x", "{*x}/a", "{x?}/a", "a/{x}/{x}", "a/{x:even}"])
def test_a_template_not_understood_is_refused(template: str) -> None:
    with pytest.raises(RouteError):
        compile_route(template)


def test_the_most_literal_route_comes_first() -> None:
    templates = ["api/{*rest}", "api/{name}", "api/{id:int}", "api/list"]
    by_rank = sorted((compile_route(t) for t in templates), key=lambda route: route.rank)
    assert [route.template for route in by_rank] == templates[::-1]
    assert compile_route("api/v{id}").rank == compile_route("api/{id:int}").rank


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/", ""),
        ("/api/x/", "/api/x"),
        ("/a%20b", "/a b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/%2541", "/%41"),
    ],
)
def test_decode(raw: str, path: str) -> None:
    assert decode(raw) == path


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1))
def test_any_name_survives_the_way_through_a_route(name: str) -> None:
    found = compile_route("images/{name}").match(decode(f"/images/{quote(name, safe='')}"))
    assert found == {"name": name}
