import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.search.durations import clock, seconds


@pytest.mark.parametrize(
    ("text", "length"),
    [("PT230S", 230), ("PT1M30S", 90), ("PT2H", 7200), ("P1D", 86400), ("P1DT0.5S", 86400.5), ("PT0S", 0)],
)
def test_a_duration_is_so_many_seconds(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "30", "30S", "PT30", "PT3\u0660S", "P1M", "PT-1S", "PT1S ", "pt1s", "PT1S2M"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        seconds(text)


@given(st.integers(0, 86_399))
def test_a_clock_shows_hours_minutes_and_seconds(length: int) -> None:
    hours, minutes, rest = (int(part) for part in clock(length).split(":"))
    assert seconds(f"PT{hours}H{minutes}M{rest}S") == length
    assert len(clock(length)) == 8
