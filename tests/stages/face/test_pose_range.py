import numpy as np
import pytest

from portrait_prep.stages.face.pose_range import PoseRange


def test_it_spans_all_but_a_hundredth_of_the_frames_on_either_side() -> None:
    yaw = np.arange(1000) / 10 - 50
    euler = np.stack([yaw, -yaw / 2, np.zeros(1000)], axis=1)
    euler[::10, 2] = np.nan
    ranges = PoseRange()
    for part in np.split(euler, [1, 250, 600]):
        ranges.add(part)
    assert ranges.metrics() == {
        "yaw_range": pytest.approx([-49, 49], abs=0.3),
        "pitch_range": pytest.approx([-24.5, 24.5], abs=0.3),
        "roll_range": pytest.approx([0, 0], abs=0.3),
    }


def test_without_a_frame_there_is_none() -> None:
    ranges = PoseRange()
    ranges.add(np.full((3, 3), np.nan))
    assert ranges.metrics() == dict.fromkeys(("yaw_range", "pitch_range", "roll_range"))
