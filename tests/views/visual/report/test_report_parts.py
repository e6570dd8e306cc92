"""The parts of the report, each by itself."""

import base64
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.printing import printable
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result
from portrait_prep.stages.order import STAGES
from portrait_prep.views.visual.drawing.still import VideoLocation
from portrait_prep.views.visual.report.charts import Chart, charts, numbers
from portrait_prep.views.visual.report.detail import LEVELS, STRETCHES, Curves, level, opening
from portrait_prep.views.visual.report.pictures import pictured
from portrait_prep.views.visual.report.reasons import Headings, Reason
from portrait_prep.views.visual.report.row import FACETS, Row
from portrait_prep.views.visual.report.rows import Rows
from portrait_prep.views.visual.report.text import clock, embedded, embedded_parts
from tests.stages.judging import RULES, quality


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0.0, "0.00 s"),
        (4.96, "4.96 s"),
        (59.996, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (11_220, "3 h 07 min"),
    ],
)
def test_lengths_read_as_people_say_them(seconds: Any, text: str) -> None:
    assert clock(seconds) == text


@given(st.text())
def test_embedded_text_comes_back_and_cannot_leave_its_element(text: str) -> None:
    inside = embedded({"name": text})
    assert json.loads(inside) == {"name": text}
    assert inside.isascii()
    assert not set(inside) & set("<>&")


@given(st.text())
def test_printable_text_holds_nothing_that_acts_on_its_surroundings(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


def test_letters_of_any_script_are_left_alone() -> None:
    assert printable("Jürgen 陈 عَبْد") == "Jürgen 陈 عَبْد"


def record(frames: int, values: Any) -> Any:
    curves = Curves(frames)
    for first in range(0, frames, 7):
        curves.add(first, {"one": np.asarray(values[first : first + 7], float)})
    return curves.to_json()


def decoded(curve: Any, stretches: int) -> tuple[Any, Any]:
    """Least and greatest value of each stretch; NaN for nothing."""
    levels = np.frombuffer(base64.b64decode(curve["bytes"]), np.uint8).reshape(-1, stretches)
    values = curve["low"] + (levels.astype(float) - 1) / LEVELS * (curve["high"] - curve["low"])
    values[levels == 0] = np.nan
    return values[0], values[-1]


@given(st.lists(st.floats(-90, 90) | st.just(float("nan")), min_size=1, max_size=700))
def test_a_curve_keeps_the_extremes_of_every_stretch(values: list[float]) -> None:
    curves, stretches = record(len(values), values), min(len(values), STRETCHES)
    whole = np.array(values)
    if np.isnan(whole).all():
        assert curves == {}
        return
    least, greatest = decoded(curves["one"], stretches)
    step = (curves["one"]["high"] - curves["one"]["low"]) / LEVELS + 1e-3
    number = np.arange(len(values)) * stretches // len(values)
    for stretch in range(stretches):
        part = whole[number == stretch]
        part = part[~np.isnan(part)]
        if len(part):
            assert abs(least[stretch] - part.min()) <= step
            assert abs(greatest[stretch] - part.max()) <= step
        else:
            assert np.isnan(least[stretch])


def test_a_spike_of_one_frame_is_seen_in_an_hour() -> None:
    values = np.zeros(90_000)
    values[45_123] = 50
    _, greatest = decoded(record(len(values), values)["one"], STRETCHES)
    assert np.flatnonzero(greatest > 49).tolist() == [45_123 * STRETCHES // 90_000]


def test_lips_that_touch_are_closed() -> None:
    points = np.zeros((2, 478, 3))
    points[1, [13, 82, 81, 312, 311], 1] = 7
    assert opening(points).tolist() == [0, 7]


def test_levels_are_in_decibels_of_full_scale() -> None:
    pcm = np.array([np.full(640, 32767), np.full(640, 3277), np.zeros(640)], np.int16)
    np.testing.assert_allclose(level(pcm), [0, -20, -70], atol=0.01)


HEADINGS = Headings(RULES)


def test_a_rule_s_reason_stands_under_what_the_rule_says() -> None:
    (rule,) = (rule for rule in RULES if rule.key == "max_yaw")
    told = rule.rejection([-71.0, 72.0])
    assert told == "the head turns from -71 to 72 degrees (yaw), beyond 60"
    assert HEADINGS.of(Reason(told, rule.key), "v", "/s/v.mp4") == (
        "the head turns from … to … degrees (yaw), beyond 60"
    )


def test_what_is_no_rule_s_goes_without_names_and_numbers() -> None:
    one = Reason("normalize: a b 2.mp4 is damaged: 3 of 250 frames do not decode")
    other = Reason("normalize: c.mkv is damaged: 12 of 9 frames do not decode")
    headings = {HEADINGS.of(one, "a_b_2-0f", "/s/a b 2.mp4"), HEADINGS.of(other, "c", "/s/c.mkv")}
    assert headings == {"normalize: … is damaged: … of … frames do not decode"}


@given(st.text(), st.text(), st.text())
def test_any_reason_has_a_heading(reason: str, video_id: str, source: str) -> None:
    assert isinstance(HEADINGS.of(Reason(reason), video_id, source), str)


def chart(key: str) -> Chart:
    return next(chart for chart in charts(STAGES) if chart.key == key)


@pytest.mark.parametrize(
    ("key", "metrics", "number"),
    [
        ("headpose.yaw_range", {"headpose.yaw_range": [-31.44, 12.0]}, -31.4),
        ("headpose.yaw_span", {"headpose.yaw_range": [-31.44, 12.0]}, 43.4),
        ("torso.visible_share", {"torso.visible_share": [0.5, 0.254]}, 25.0),
        ("stats.lag", {"stats.lag": None}, None),
        ("landmarks.blur", {}, None),
        ("speech.rms_dbfs", {"speech.rms_dbfs": float("-inf")}, None),
        ("landmarks.faces", {"landmarks.faces": 3}, 3.0),
    ],
)
def test_a_chart_has_one_number_of_a_video_or_none(key: str, metrics: dict[str, Any], number: float | None) -> None:
    assert chart(key).of(metrics) == number


def test_limits_are_on_the_scale_of_the_chart() -> None:
    assert chart("landmarks.face_share").limits(quality()) == {"min": 90.0}
    assert chart("landmarks.face_luma").limits(quality()) == {"min": 30.0, "max": 225.0}
    assert chart("landmarks.landmark_jump").limits(quality()) == {"max": 0.5}
    assert chart("stats.lag").limits(quality()) == {"max": 5.0, "min": -5.0}
    assert chart("speech.silent_share").limits(quality()) == {}
    assert chart("speech.silent_share").limits(quality(require_sound=True)) == {"max": 80.0}


def row(number: int, result: Result, drawable: bool = True) -> Row:
    location = VideoLocation(f"v{number}", "s", 10) if drawable else None
    facets = (None,) * len(FACETS)
    states, measures = (State.DONE, State.STALE), (None, 0.5)
    return Row(f"v{number}", "x", "y", "s", None, facets, 1.0, result, states, ("", "why"), (), measures, location)


def rows_of(found: Iterable[Row]) -> Rows:
    rows = Rows(("normalize", "landmarks"), (chart("headpose.jitter"), chart("landmarks.blur")))
    for one in found:
        rows.add(one)
    return rows


def test_pictures_go_to_problems_first_and_are_spread_over_the_catalogue() -> None:
    rows = rows_of(row(number, Result.ACCEPTED if number % 2 else Result.REJECTED) for number in range(1000))
    taken = pictured(rows, 30)
    problems = [number for number in taken if number % 2 == 0]
    assert (len(taken), len(problems)) == (30, 20)
    assert np.diff([-25, *problems, 1025]).max() <= 75


@given(st.lists(st.tuples(st.sampled_from(list(Result)), st.booleans()), max_size=60), st.integers(0, 30))
def test_as_many_pictures_as_allowed_and_drawable(results: list[tuple[Result, bool]], most: int) -> None:
    rows = rows_of(row(number, result, drawable) for number, (result, drawable) in enumerate(results))
    taken = pictured(rows, most)
    drawable = [number for number, (_, there) in enumerate(results) if there]
    assert len(taken) == min(most, len(drawable))
    assert taken == sorted(set(taken) & set(drawable))


def test_a_wanted_video_is_taken_beyond_the_cap() -> None:
    rows = rows_of(row(number, Result.ACCEPTED, drawable=number < 10) for number in range(11))
    assert pictured(rows, 0, ["v3", "v10"]) == [3]


def test_rows_give_back_what_a_drawing_needs() -> None:
    rows = rows_of(row(number, Result.FAILED, drawable=number == 1) for number in range(2))
    assert rows.drawable() == [1]
    assert rows.location(1) == VideoLocation("v1", "s", 10, ("normalize",))
    assert rows.unmeasured() == [chart("headpose.jitter").metric.title]


JSON = st.recursive(st.none() | st.integers() | st.text(), st.lists)


@given(st.dictionaries(st.text(), st.tuples(JSON, st.booleans())))
def test_an_object_in_parts_is_the_same_as_in_one(parts: dict[str, tuple[Any, bool]]) -> None:
    pieces = (
        (name, iter(value) if apart and isinstance(value, list) else value) for name, (value, apart) in parts.items()
    )
    assert "".join(embedded_parts(pieces)) == embedded({name: value for name, (value, _) in parts.items()})


@pytest.mark.parametrize("value", ["many", {"a": 1}, [[1, 2]], 10**400, float("nan"), [float("-inf")], None])
def test_what_is_no_finite_number_is_not_drawn(value: object) -> None:
    assert numbers(value) == []
    assert numbers([2, value]) == [2.0]


def test_rows_beyond_the_frames_leave_no_trace() -> None:
    curves, more = Curves(10), np.arange(30.0)
    curves.add(0, {"yaw": more[:10]})
    alone = curves.to_json()
    curves.add(10, {"yaw": more[10:]})
    assert curves.to_json() == alone
