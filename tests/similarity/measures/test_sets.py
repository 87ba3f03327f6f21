"""What is compared with what."""

from hypothesis import given
from hypothesis import strategies as st

from similarity.measures.sets import comparative_sets


@given(
    labels=st.lists(st.sampled_from("abcd"), max_size=60),
    queries=st.integers(1, 20),
    negatives=st.integers(1, 20),
    seed=st.integers(0, 9),
)
def test_a_set_is_a_query_one_of_its_label_and_some_of_others(
    labels: list[str], queries: int, negatives: int, seed: int
) -> None:
    sets = comparative_sets(labels, queries=queries, negatives=negatives, seed=seed)
    for query, positive, others in sets:
        assert query != positive
        assert labels[query] == labels[positive]
        assert labels[query] not in {labels[row] for row in others}
        assert len(set(others)) == len(others) == min(negatives, len(labels) - labels.count(labels[query]))
    assert len({one.query for one in sets}) == len(sets)
    for label in set(labels):
        count = labels.count(label)
        expected = min(queries, count) if 1 < count < len(labels) else 0
        assert sum(labels[one.query] == label for one in sets) == expected


def test_the_older_systems_protocol_is_the_default() -> None:
    sets = comparative_sets(["a"] * 100 + ["b"] * 100)
    assert len(sets) == 2 * 60
    assert {len(one.negatives) for one in sets} == {50}


def test_every_image_of_a_label_is_a_positive_of_some_set() -> None:
    labels = ["a"] * 5 + ["b"] * 5
    seen = {one.positive for seed in range(20) for one in comparative_sets(labels, seed=seed)}
    assert seen == set(range(10))


def test_a_seed_draws_the_same_sets_again_and_another_one_others() -> None:
    labels = ["a", "b"] * 20
    first, again, other = (
        [(one.query, one.positive, *one.negatives) for one in comparative_sets(labels, seed=seed)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_one_label_or_one_image_of_each_can_be_compared_with_nothing() -> None:
    assert not comparative_sets(["a"] * 9)
    assert not comparative_sets(["a", "b", "c"])
    assert not comparative_sets([])
