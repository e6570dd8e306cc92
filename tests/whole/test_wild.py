"""What was found in people's folders, and the test that makes each of it: none of them may go by the way."""

from collections.abc import Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOOR, FACE, TIME, COLOURS = (f"whole/test_wild_{part}.py" for part in ("door", "face", "time", "colours"))
FRONT, JOINED = "media/test_front_door.py", "media/test_one_recording.py"
FOLDER, SUBJECTS = "manifests/test_folder_files.py", "manifests/test_folder_subjects.py"
NORMALIZE, SOUND = "stages/test_normalize.py", "stages/test_normalize_sound.py"
REJECTED = f"{FACE}::test_what_is_no_living_whole_single_face_is_rejected_for_that"
ACCEPTED = f"{FACE}::test_people_who_talk_are_accepted_slow_grainy_or_cut_off_at_the_edge"
TOLD = f"{TIME}::test_what_time_does_not_hold_is_said_with_its_place"

FOUND: Mapping[str, str] = {
    "a tag that is not UTF-8": f"{FRONT}::test_tags_of_any_bytes_are_no_reason[GBK]",
    "a folder with one": f"{DOOR}::test_what_is_odd_and_good_is_prepared[Zoë_1]",
    "a second track that no decoder knows": f"{FRONT}::test_the_track_that_can_be_decoded_is_taken[vorbis.mkv]",
    "the same of a telephone": f"{FRONT}::test_the_track_that_can_be_decoded_is_taken[apac.mov]",
    "any exception of any library": f"{FRONT}::test_an_error_of_any_type_is_the_file_s_and_ours_pass",
    "a file that is spoilt anyhow": f"{FRONT}::test_what_is_spoilt_is_refused_in_our_own_words",
    "a locale of ASCII and a path beyond it": f"{DOOR}::test_the_workspace_can_be_looked_at_in_any_locale",
    "recordings joined byte by byte": f"{TOLD}[joined]",
    "the same in other containers": f"{JOINED}::test_a_clock_that_starts_again_is_refused_with_the_second[webm]",
    "a hole in the picture while the sound goes on": f"{TOLD}[hole]",
    "a last frame that lasts for hours": (
        f"{JOINED}::test_a_last_frame_is_held_for_a_second_at_most_and_what_it_claims_is_known"
    ),
    "2 frames a second": f"{TOLD}[two]",
    "5 frames a second": f"{TOLD}[five]",
    "10 frames a second": f"{TOLD}[ten]",
    "fields stored as frames": (
        "stages/test_normalize_cut.py::test_two_fields_are_taken_apart_whether_the_file_says_so_or_not"
    ),
    "a still photograph with a voice": f"{REJECTED}[photo]",
    "a slow zoom over a photograph": f"{REJECTED}[photo-zoom]",
    "a webcam that froze for half of it": f"{TOLD}[frozen]",
    "a large photograph and a small live talker": f"{ACCEPTED}[slide]",
    "lower lip and chin outside of the picture": f"{REJECTED}[chin-outside]",
    "a dissolve from one person to another": f"{REJECTED}[dissolve-08]",
    "a bar of subtitles over the mouth": f"{REJECTED}[subtitle-bar]",
    "a drawn face": f"{FACE}::test_a_drawn_face_is_measured_like_any",
    "a listener with a voice from outside": f"{REJECTED}[listener-and-a-voice]",
    "HLG": f"{COLOURS}::test_colours_come_back_and_are_told[hlg]",
    "PQ": f"{COLOURS}::test_colours_come_back_and_are_told[pq]",
    "colours that are tagged or not": f"{COLOURS}::test_colours_come_back_and_are_told[untagged]",
    "colour tags that change half-way": f"{TIME}::test_good_footage_is_accepted[tags]",
    "mono that becomes stereo": f"{SOUND}::test_channels_and_rates_may_change_half_way",
    "a size, or a shape, that changes": (
        f"{NORMALIZE}::test_a_picture_that_changes_its_size_is_scaled_and_one_that_changes_its_shape_is_refused"
    ),
    "frames that do not decode": f"{NORMALIZE}::test_a_damaged_source_is_refused_with_the_reason",
    "a scene cut": f"{TOLD}[cut]",
    "subjects of VoxCeleb2, MEAD and CREMA-D": f"{SUBJECTS}::test_folders_and_expressions_name_subjects",
    "names that a camera gives": f"{SUBJECTS}::test_a_camera_s_names_are_warned_of_and_people_s_are_not",
    "files left out without a word": f"{FOLDER}::test_what_is_left_out_is_told_by_ending",
    "videos of further endings": f"{FOLDER}::test_videos_of_further_endings_are_taken[a.dv]",
    "a default sound track that is silent": f"{COLOURS}::test_the_track_that_speaks_is_taken",
    "picture and sound that a downloader left apart": (
        f"{FOLDER}::test_picture_and_sound_in_two_files_are_joined[Ann_1.f137.mp4]"
    ),
    "the same file twice": f"{FOLDER}::test_a_second_copy_is_a_duplicate_of_the_first",
}
"""What it was -> the test, below tests/, and which of its cases."""


@pytest.mark.parametrize("found", FOUND)
def test_what_was_found_is_tried(found: str) -> None:
    path, _, name = FOUND[found].partition("::")
    function, _, case = name.partition("[")
    code = (TESTS / path).read_text("utf-8")
    assert f"def {function}(" in code
    assert f'"{case.removesuffix("]")}' in code
