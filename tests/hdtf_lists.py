"""Annotation lists of HDTF with rows of a test's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

KINDS = ("video_url", "resolution", "annotion_time", "crop_wh", "crop_ratio")


def lists(
    folder: Path,
    rows: Sequence[tuple[str, int, str, Sequence[str]]],
    subset: str = "WDA",
    addresses: Mapping[str, str] | None = None,
) -> Path:
    """Write the fifteen lists: name (its address made from it, or given), height, intervals, and a crop each or ''."""
    known = addresses or {}
    folder.mkdir(exist_ok=True)
    for other in ("RD", "WDA", "WRA"):
        for kind in KINDS:
            (folder / f"{other}_{kind}.txt").write_text("")

    def write(kind: str, lines: Sequence[str]) -> None:
        (folder / f"{subset}_{kind}.txt").write_text("".join(f"{line}\n" for line in lines))

    crops = [(f"{name}_{number}.mp4", crop) for name, *_, found in rows for number, crop in enumerate(found) if crop]
    write("video_url", [f"{name} {known.get(name, address(name))}" for name, *_ in rows])
    write("resolution", [f"{name}.mp4 {height}" for name, height, *_ in rows])
    write("annotion_time", [f"{name}.mp4 {intervals}" for name, _, intervals, _ in rows if intervals])
    write("crop_wh", [f"{key} {crop}" for key, crop in crops])
    write("crop_ratio", [f"{key} 1.2" for key, _ in crops])
    return folder


def address(name: str) -> str:
    """The address that `lists` gives a name."""
    return f"https://www.youtube.com/watch?v={name.lower():_<11.11}"
