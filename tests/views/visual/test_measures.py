"""The page of measures says what the stages declare."""

from pathlib import Path

from portrait_prep.stages.order import STAGES
from portrait_prep.views.visual.measures import measures
from tests.stages.judging import quality

PAGE = Path(__file__).parents[3] / "docs" / "quality.md"


def test_the_page_has_the_table_as_the_command_prints_it() -> None:
    """After a change: `portrait-prep measures`, and put what it prints in the place of the table."""
    lines = PAGE.read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("|")] == list(measures(STAGES, quality()))


def test_thresholds_are_those_of_the_settings() -> None:
    lines = {line.split("`")[1]: line for line in measures(STAGES, quality(max_blur=0.5, max_lag=20)) if "`" in line}
    assert "`max_blur` ≤ 0.5" in lines["landmarks.blur"]
    assert "`max_lag` ± 20" in lines["stats.lag"]
    assert "`min_rms_dbfs` ≥ -60 with `require_sound`" in lines["speech.rms_dbfs"]


def test_what_no_record_holds_is_not_on_it() -> None:
    assert not any("yaw_span" in line for line in measures(STAGES, quality()))
