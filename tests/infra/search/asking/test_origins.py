"""What documents that were found are called."""

import pytest

from infra.search.asking.origins import image_number, is_inside, name_of

KEY = "0123456789ab_aHR0cHM6Ly94L2ltYWdlcy9hLmRvY3g1_normalized_images_{}"


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"id": "x", "path": "cats/1.jpg", "url": "https://x/images/cats/1.jpg"}, "cats/1.jpg"),
        ({"id": "x", "path": None, "url": "https://x/images/cats/%C3%A4%20b.jpg"}, "cats/ä b.jpg"),
        ({"id": "x", "url": "https://[x/images/a.jpg"}, "https://[x/images/a.jpg"),
        ({"id": "x", "url": ""}, "x"),
        ({}, "–"),
        # An image of its own, of which nobody wants to be told that it is the first one.
        ({"id": KEY.format(0), "parent_id": "p", "path": "a.JPG"}, "a.JPG"),
        ({"id": KEY.format(1), "parent_id": "p", "path": "a.tif", "page": 0}, "a.tif (image 2)"),
        ({"id": KEY.format(0), "parent_id": "p", "url": "https://x/images/a.docx"}, "a.docx (image 1)"),
        ({"id": KEY.format(12), "parent_id": "p", "path": "a.pdf", "page": 2}, "a.pdf (page 2, image 13)"),
    ],
)
def test_names_tell_documents_apart(document: dict[str, object], name: str) -> None:
    assert name_of(document) == name
    assert is_inside(document) == ("image " in name)


def test_only_images_of_documents_have_a_number() -> None:
    assert image_number({"id": KEY.format(7), "parent_id": "p"}) == 7
    assert image_number({"id": KEY.format(7)}) == 0  # a key of base64 may end in anything
    assert image_number({"id": KEY.format("7_x"), "parent_id": "p"}) == 0
    assert image_number({"id": KEY.format("9" * 5000), "parent_id": "p"}) == 0
