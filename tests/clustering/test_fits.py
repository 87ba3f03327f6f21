"""What a fit is asked for, and what is kept of it."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustering.fits import (
    EPS,
    MAX_IMAGES_HDBSCAN,
    Changes,
    Cluster,
    ParameterError,
    Parameters,
    forget_fit,
    from_text,
    keep_fit,
    read_parameters,
    recall_fit,
    to_text,
)
from clustering.jobs import to_wire
from tests.clustering.small_fits import fit_of, member
from tests.conftest import Stores

FIT = fit_of("20260102-a", [member("c/1", 0), member("c/2", -1)])


def test_what_is_not_said_has_its_default() -> None:
    assert read_parameters({}) == Parameters()
    assert read_parameters({"eps": None, "minSamples": None, "noiseOnly": None, "algorithm": None}) == Parameters()
    assert read_parameters({"algorithm": "hdbscan"}).max_images == MAX_IMAGES_HDBSCAN


def test_parameters_may_be_numbers_or_text() -> None:
    given_ = {"eps": "0.25", "minSamples": "5", "maxImages": 1e3, "noiseOnly": True}
    assert read_parameters(given_) == Parameters(eps=0.25, min_samples=5, max_images=1000, noise_only=True)
    assert read_parameters({"eps": 2, "minSamples": 1}) == Parameters(eps=2.0, min_samples=1)
    assert read_parameters({"minSamples": 1_000_000}).min_samples == 1_000_000
    assert read_parameters({"eps": 1e-300}).eps > 0


@pytest.mark.parametrize(
    "value", [0, -0.1, 2.5, math.nan, math.inf, "half", "", "nan", True, [0.4], {}, "0", "1e999", 10**400]
)
def test_an_eps_that_is_no_distance_is_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match="'eps' takes a"):
        read_parameters({"eps": value})


@pytest.mark.parametrize(("name", "least", "most"), [("minSamples", 1, 1_000_000), ("maxImages", 100, 200_000)])
def test_counts_are_whole_numbers_in_their_range(name: str, least: int, most: int) -> None:
    for value in (least - 1, most + 1, -3, least + 0.5, math.nan, "many", False, [3]):
        with pytest.raises(ParameterError, match=f"'{name}' takes a"):
            read_parameters({name: value})
    for value in (least, most):
        read_parameters({name: value})


def test_hdbscan_takes_no_eps_but_the_default_that_a_job_keeps() -> None:
    with pytest.raises(ParameterError, match="'eps' is for dbscan"):
        read_parameters({"algorithm": "hdbscan", "eps": 0.3})
    given_ = read_parameters({"algorithm": "hdbscan"})
    assert read_parameters(to_wire(given_)) == given_


def test_hdbscan_takes_no_groups_of_one() -> None:
    with pytest.raises(ParameterError, match="from 2"):
        read_parameters({"algorithm": "hdbscan", "minSamples": 1})


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        ({"Eps": 0.4}, "'Eps' is no parameter; there are algorithm, eps"),
        ({"algorithm": "kmeans"}, "takes dbscan or hdbscan, not 'kmeans'"),
        ({"algorithm": ["dbscan"]}, "takes dbscan or hdbscan"),
        ({"noiseOnly": "yes"}, "takes true or false"),
        ({"noiseOnly": 1}, "takes true or false"),
    ],
)
def test_other_parameters_say_what_they_take(given_: dict[str, Any], why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        read_parameters(given_)


numbers = st.floats(0, 2)


@given(
    clusters=st.lists(st.builds(Cluster, st.integers(0), st.integers(1), st.integers(1), numbers, numbers)),
    changes=st.none()
    | st.builds(
        Changes,
        st.lists(st.integers(0)),
        st.lists(st.integers(0)),
        st.dictionaries(st.integers(0), st.lists(st.integers(0))),
        st.dictionaries(st.integers(0), st.lists(st.integers(0))),
    ),
    curve=st.lists(numbers),
    knee=st.none() | numbers,
    warnings=st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
)
def test_a_fit_comes_back_from_its_text_as_it_was(**parts: Any) -> None:
    fit = replace(FIT, **parts)
    assert from_text(to_text(fit)) == fit


def test_a_fit_is_kept_until_it_is_forgotten(stores: Stores) -> None:
    assert recall_fit(FIT.id, stores.features) is None
    keep_fit(FIT, stores.features)
    keep_fit(replace(FIT, id="other"), stores.features)
    assert recall_fit(FIT.id, stores.features) == FIT
    forget_fit(FIT.id, stores.features)
    assert recall_fit(FIT.id, stores.features) is None
    assert recall_fit("other", stores.features) is not None


def test_ten_thousand_clusters_are_a_text_that_a_store_takes(stores: Stores) -> None:
    many = replace(FIT, clusters=[Cluster(n, 100, 90, 0.123456789012345, EPS) for n in range(10_000)])
    assert len(to_text(many)) < 1_000_000
    keep_fit(many, stores.features)
    assert recall_fit(many.id, stores.features) == many


def test_more_clusters_than_a_store_keeps_are_refused(stores: Stores) -> None:
    some, many = (
        replace(FIT, clusters=[Cluster(n, 12, 12, 0.1234, 0.4) for n in range(100_000, 100_000 + count)])
        for count in (50_000, 80_000)
    )
    keep_fit(some, stores.features)
    assert recall_fit(FIT.id, stores.features) == some
    with pytest.raises(ParameterError, match="80000 clusters"):
        keep_fit(many, stores.features)
