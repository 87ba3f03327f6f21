"""The order of skills, and what is left out with the skills that only the service has."""

import pytest

from infra.search.trial.planning import SHAPER, WEB_API, left_out, ordered, plan
from shared.contract import Json

IMAGE = "/document/normalized_images/*"


def _skill(name: str | None, reads: list[str], gives: list[str], type_: str = WEB_API, context: str = IMAGE) -> Json:
    return {
        "@odata.type": type_,
        "name": name,
        "context": context,
        "inputs": [{"name": f"in{at}", "source": source} for at, source in enumerate(reads)],
        "outputs": [{"name": "output", "targetName": target} for target in gives],
    }


def _names(skills: list[Json]) -> list[str]:
    return [skill["name"] for skill in ordered(skills)]


def test_a_skill_runs_after_those_whose_outputs_it_reads() -> None:
    last = _skill("last", [f"{IMAGE}/middle/*/x"], ["end"], SHAPER)
    middle = _skill("middle", [f"{IMAGE}/first"], ["middle"])
    first = _skill("first", [IMAGE], ["first"])
    assert _names([last, middle, first]) == ["first", "middle", "last"]


@pytest.mark.parametrize(
    "reader",
    [
        _skill("reader", ["/document/normalized_images/0/tags"], ["x"], context="/document"),
        _skill("reader", ["/document/content"], ["x"], context=f"{IMAGE}/tags/*"),
        _skill("reader", [f"=[$(/document/content), $({IMAGE}/tags)]"], ["x"]),
        _skill("reader", [], ["x"])
        | {"inputs": [{"name": "a", "sourceContext": f"{IMAGE}/tags/*", "inputs": [{"name": "b", "source": "='1'"}]}]},
        _skill("reader", [], ["x"])
        | {"inputs": [{"name": "a", "sourceContext": IMAGE, "inputs": [{"name": "b", "source": f"{IMAGE}/tags"}]}]},
    ],
    ids=["position", "context", "expression", "source context", "nested input"],
)
def test_reading_takes_many_forms(reader: Json) -> None:
    writer = _skill("writer", [IMAGE], ["tags"])
    assert _names([reader, writer]) == ["writer", "reader"]


def test_what_is_written_at_a_position_is_one_of_the_items() -> None:
    writer = _skill("writer", [IMAGE], ["tags"], context="/document/normalized_images/0")
    assert _names([_skill("reader", [f"{IMAGE}/tags"], ["x"]), writer]) == ["writer", "reader"]


def test_skills_that_do_not_need_each_other_keep_their_order_and_need_no_name() -> None:
    assert _names([_skill("b", [IMAGE], ["one"]), _skill(None, [IMAGE], ["two"]), _skill("a", [IMAGE], ["three"])]) == [
        "b",
        "#2",
        "a",
    ]


def test_a_circle_is_told_with_its_names() -> None:
    there, back = _skill("there", [f"{IMAGE}/b"], ["a"]), _skill("back", [f"{IMAGE}/a"], ["b"])
    with pytest.raises(ValueError, match=r"in a circle: (there → back → there|back → there → back)\.$"):
        ordered([there, back])


def test_a_skill_that_would_build_on_left_out_ones_only_is_left_out_too() -> None:
    skills = [
        _skill("analysis", [IMAGE], ["imageFaces", "imageTags"], "#Microsoft.Skills.Vision.ImageAnalysisSkill"),
        _skill("faces", [f"{IMAGE}/imageFaces/*/age"], ["shapedFaces"], SHAPER),
        _skill("names", [f"{IMAGE}/shapedFaces/in0"], ["faceNames"]),
        _skill("each", ["='one'"], ["each"], context=f"{IMAGE}/imageTags/*"),
        _skill("similarity", [IMAGE], ["most_similar"]),
    ]
    planned = plan({"skills": skills})
    assert [skill["name"] for skill in planned.skills] == ["similarity"]
    assert planned.left.skills == {
        "analysis": "ImageAnalysisSkill",
        "faces": "ShaperSkill",
        "names": "WebApiSkill",
        "each": "WebApiSkill",
    }
    assert planned.left.covers("/document/normalized_images/0/imageTags/*/name")
    assert planned.left.covers(f"{IMAGE}/faceNames")
    assert not planned.left.covers(f"{IMAGE}/most_similar")
    assert not planned.left.covers(IMAGE)
    assert not planned.left.covers("")


def test_a_skill_keeps_the_inputs_that_it_can_have() -> None:
    skills = [
        _skill("ocr", [IMAGE], ["imageText"], "#Microsoft.Skills.Vision.OcrSkill"),
        _skill("record", [f"{IMAGE}/imageText", "/document/metadata_storage_path"], ["record"], SHAPER),
    ]
    planned = plan({"skills": skills})
    assert [entry["source"] for entry in planned.skills[0]["inputs"]] == ["/document/metadata_storage_path"]
    assert planned.left.covers(f"{IMAGE}/record/in0")
    assert not planned.left.covers(f"{IMAGE}/record/in1")


def test_mappings_that_only_left_out_skills_would_feed_can_be_dropped() -> None:
    left = left_out({"skills": [_skill("ocr", [IMAGE], ["imageText"], "#Microsoft.Skills.Vision.OcrSkill")]})
    kept: list[Json] = [
        {"sourceFieldName": f"{IMAGE}/vector"},
        {"source": f"{IMAGE}/imageTextual"},
        {"sourceContext": IMAGE, "inputs": [{"name": "a", "source": "/document/content"}]},
    ]
    dropped: list[Json] = [
        {"sourceFieldName": "/document/normalized_images/0/imageText"},
        {"source": f"{IMAGE}/imageText"},
        {"sourceContext": f"{IMAGE}/imageText/*", "inputs": [{"name": "a", "source": "/document/content"}]},
        {"sourceContext": IMAGE, "inputs": [{"name": "a", "source": f"{IMAGE}/imageText"}]},
    ]
    assert left.without(kept + dropped) == kept


def test_without_a_skillset_nothing_is_left_out() -> None:
    assert left_out(None).skills == {}
    assert plan({}).skills == ()
