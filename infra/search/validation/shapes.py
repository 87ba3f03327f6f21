"""What is known of a document's nodes before there is one: a blob's metadata, its images, and what skills answer.

Sources: the references of the blob indexer, image extraction and the built-in skills; the app's OpenAPI document.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Self

from infra.search.trial.planning import SHAPER, WEB_API
from shared.contract import Json
from shared.openapi import FILE

type Shape = str | list[Shape] | dict[str, Shape] | None
"""A JSON type as a literal: a name of JSON Schema, a list of one, an object's members, or None for who knows what."""

ARRAY, OBJECT, ANYTHING = "array", "object", "anything"


@dataclass(slots=True)
class Node:
    """A node of the enriched document. What skills put under it is among its members, of whatever type it is."""

    type: str = ANYTHING
    """`string`, `integer`, `number`, `boolean`, `array`, `object`; or `anything` where it is unknown."""
    members: dict[str, "Node"] = field(default_factory=dict)
    item: "Node | None" = None
    """Each item of an array."""

    @classmethod
    def of(cls, shape: Shape) -> Self:
        """A node of this shape."""
        match shape:
            case list():
                return cls(ARRAY, item=cls.of(shape[0]))
            case dict():
                return cls(OBJECT, {name: cls.of(member) for name, member in shape.items()})
            case _:
                return cls(shape or ANYTHING)

    @property
    def known(self) -> bool:
        """Whether it has no other members or items than these."""
        return self.type != ANYTHING


_IMAGE: Final[Shape] = {
    "$type": "string",
    "data": "string",
    "contentType": "string",
    "url": "string",
    "width": "integer",
    "height": "integer",
    "originalWidth": "integer",
    "originalHeight": "integer",
    "rotationFromOriginal": "integer",
    "contentOffset": "integer",
    "pageNumber": "integer",
    "boundingPolygon": "string",
}
_STORAGE: Final[dict[str, Shape]] = {
    "metadata_storage_name": "string",
    "metadata_storage_path": "string",
    "metadata_storage_content_type": "string",
    "metadata_storage_content_md5": "string",
    "metadata_storage_sas_token": "string",
    "metadata_storage_file_extension": "string",
    "metadata_storage_last_modified": "string",
    "metadata_storage_size": "integer",
}
_FACE_CORNER: Final[Shape] = {"x": "number", "y": "number"}
_IMAGE_ANALYSIS: Final[dict[str, Shape]] = {
    "adult": {
        "isAdultContent": "boolean",
        "isGoryContent": "boolean",
        "isRacyContent": "boolean",
        "adultScore": "number",
        "goreScore": "number",
        "racyScore": "number",
    },
    "brands": [{"name": "string", "confidence": "number", "rectangle": None}],
    "categories": [{"name": "string", "score": "number", "detail": None}],
    "description": {"tags": ["string"], "captions": [{"text": "string", "confidence": "number"}]},
    "faces": [{"age": "integer", "gender": "string", "faceBoundingBox": [_FACE_CORNER]}],
    "objects": [{"object": "string", "confidence": "number", "rectangle": None, "parent": None}],
    "tags": [{"name": "string", "hint": "string", "confidence": "number"}],
}
_ANSWERS: Final = {
    "similarity": "SimilarityAnswer",
    "clustering": "ClusteringAnswer",
    "embedding": "EmbeddingAnswer",
}
"""The app's skills, and what the OpenAPI document calls their answers."""
_BUILT_IN: Final[Mapping[str, dict[str, Shape]]] = {
    "#Microsoft.Skills.Vision.ImageAnalysisSkill": _IMAGE_ANALYSIS,
    "#Microsoft.Skills.Vision.OcrSkill": {"text": "string", "layoutText": None},
    "#Microsoft.Skills.Text.MergeSkill": {"mergedText": "string", "mergedOffsets": ["integer"]},
    SHAPER: {"output": None},
}


def cracked(configuration: Mapping[str, Json]) -> Node:
    """`/document` as it is before the first skill. A blob's own metadata, which may have any name, is not in it."""
    content = ("content", "metadata_content_type", "metadata_content_encoding", "metadata_language")
    # An indexer that extracts no images is told of by `indexing_problems`, and not again for each path to them.
    shape: dict[str, Shape] = {**_STORAGE, **dict.fromkeys(content, "string"), "normalized_images": [_IMAGE]}
    shape |= {"metadata_title": "string", "metadata_author": "string"}
    if configuration.get("allowSkillsetToReadFileData"):
        shape["file_data"] = {"$type": "string", "data": "string", "url": "string", "sasToken": "string"}
    return Node.of(shape)


def answered(skill: Mapping[str, Json]) -> Mapping[str, Shape] | None:
    """The outputs that a skill can have, with their shapes; None where only the skill knows."""
    if skill["@odata.type"] == WEB_API:
        return _our_answers().get(skill["uri"].partition("?")[0].rpartition("/api/")[2])
    return _BUILT_IN.get(skill["@odata.type"])


@cache
def _our_answers() -> dict[str, dict[str, Shape]]:
    """What the app's own skills answer for a record, by their routes."""
    openapi = json.loads(FILE.read_bytes())
    found = {}
    for route, schema in _ANSWERS.items():
        # A record is answered, or failed: the first of the two.
        answer = openapi["components"]["schemas"][schema]["properties"]["values"]["items"]["oneOf"][0]
        shape = _shape(openapi, answer["properties"]["data"])
        if isinstance(shape, dict):
            found[route] = shape
    return found


def _shape(openapi: Json, schema: Json) -> Shape:
    schema = _referred(openapi, schema)
    types = schema.get("type")
    # What may be null may be missing: it does not matter to the type of what is there.
    named = [one for one in ([types] if isinstance(types, str) else types or []) if one != "null"]
    match named:
        case ["object"] if schema.get("additionalProperties") is False:
            return {name: _shape(openapi, member) for name, member in schema["properties"].items()}
        case ["array"]:
            return [_shape(openapi, schema.get("items", {}))]
        case ["string" | "integer" | "number" | "boolean" as simple]:
            return str(simple)
        case _:
            return None


def _referred(openapi: Json, schema: Json) -> Json:
    while "$ref" in schema:
        node = openapi
        for step in schema["$ref"].removeprefix("#/").split("/"):
            node = node[step]
        schema = node
    return schema
