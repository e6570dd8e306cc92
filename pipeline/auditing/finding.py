"""What an audit can find: a table of kinds, each with what it says and what mends it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portrait_prep.pipeline.declare.remedy import Remedy


@dataclass(frozen=True)
class Finding:
    """One claim that does not hold. `kind` is a name of `KINDS`; `path` is relative to the workspace."""

    kind: str
    path: str
    problem: str
    remedy: Remedy
    video_id: str = ""

    @property
    def mend(self) -> str:
        """What mends it, in words."""
        return self.remedy.words

    def line(self) -> str:
        """As one line of text."""
        video = f" [{self.video_id}]" if self.video_id else ""
        return f"{self.path}{video}: {self.problem}; {self.mend}"

    def to_json(self, root: Path) -> dict[str, Any]:
        """As data, with the commands that mend it in the workspace at `root`."""
        finding = {"kind": self.kind, "path": self.path, "video_id": self.video_id, "problem": self.problem}
        return {**finding, "mend": self.mend, "commands": self.remedy.commands(root)}


@dataclass(frozen=True)
class Kind:
    """`problem` and `words` are templates. `delete`: the file that a finding names has to go; `run`: then run.

    `absent`: it is not there.
    """

    problem: str
    words: str
    delete: bool = False
    run: bool = True
    absent: bool = False


RUN, REDO, REMOVE = "run again", "delete the file and run again", "delete it or move it away"

KINDS = {
    # the catalogue
    "repeated row": Kind("{count} rows have this video_id", "leave one of them, and run again", run=False),
    "unsafe name": Kind("its video_id or shard is no safe name of a file", "give it another, and run again", run=False),
    "bad row": Kind("{problem}", "mend the row, and run again", run=False),
    "leak": Kind(
        "{subject} has videos in more than one {field}: {sides}",
        "give them the same by 'portrait-prep assign', or allow it by its --split-by",
        run=False,
    ),
    "gone": Kind(
        "the catalogue no longer has it", "run again: it is taken out of everything; or put the video's row back"
    ),
    "back": Kind(
        "it was removed, and has a row again",
        "run again: it is taken out; or let it in by 'portrait-prep remove --forget'",
    ),
    "row": Kind(
        "its row says otherwise than its manifest at {places}",
        "put the row back, or, if it is right as it is, run again",
    ),
    # shard files
    "unreadable": Kind("it cannot be read ({detail})", REDO, delete=True),
    "missing shard": Kind("it is missing: {who} to be computed", RUN),
    "exchanged": Kind("it holds what belongs in {place}", "put it there, or delete it and run again", delete=True),
    "row count": Kind("it holds {rows} rows but records {recorded}", REDO, delete=True),
    "unknown video": Kind(
        "it holds a video that the catalogue does not place here",
        "run again: it is taken out; or put the video's row back",
    ),
    "values": Kind("its values are not those recorded", REDO, delete=True),
    "keys": Kind("its rows do not carry this video's id and the frames from 0 on", REDO, delete=True),
    "record": Kind("its record contradicts itself ({detail})", REDO, delete=True),
    "no value": Kind("{column} has no value in frame {frame}, which is in no recorded gap", REDO, delete=True),
    "no gap": Kind("{column} has a value in frame {frame}, which is in a recorded gap", REDO, delete=True),
    "frames": Kind("it covers {frames} frames, where the other stages cover {others}", REDO, delete=True),
    "checksum": Kind(
        "it was changed after it was written: it is not what the manifests were made from", REDO, delete=True
    ),
    "claim": Kind("does not hold: {claim}{first}", REDO, delete=True),
    "unproved": Kind("what it stands for cannot be read again ({detail})", RUN),
    # what is to be done
    "source": Kind(
        "its source {source} is not as it was when it was read ({reason})", "run again, or bring the old one back"
    ),
    "unfinished": Kind("{who} {state} ({reason})", RUN),
    # media
    "missing media": Kind("the file is missing", RUN, absent=True),
    "media": Kind("its bytes are not those recorded", REDO, delete=True),
    # manifests
    "missing manifest": Kind("the manifest is missing", RUN, absent=True),
    "unreadable manifest": Kind("the manifest cannot be read", REDO, delete=True),
    "manifest": Kind("it says otherwise than the shards at {places}", REDO, delete=True),
    "outdated manifest": Kind("it says otherwise than catalogue, settings and reviews at {places}", RUN),
    "missing table": Kind("it is missing", RUN, absent=True),
    "table": Kind("it says otherwise than the shards at {places}", REDO, delete=True),
    # what joins the videos
    "missing reduction": Kind("what joins the videos was not made", RUN),
    "missing output": Kind("the file is missing", RUN, absent=True),
    "output": Kind("its bytes are not those recorded", REDO, delete=True),
    "outdated reduction": Kind("it does not rest on the videos that are accepted now", RUN),
    "recomputed output": Kind("it is not what the videos' rows come to when they are joined again", REDO, delete=True),
    # files
    "temporary": Kind("a killed run left this temporary file", RUN),
    "orphan": Kind("nothing in the catalogue accounts for this file", REMOVE, delete=True, run=False),
    "unused source": Kind("no video comes from it", "delete it or move it away, unless it is to be kept", run=False),
    "stranger": Kind("it is no file of the workspace's own", "move it elsewhere", run=False),
    # derived from model files
    "derived": Kind("its bytes are not those that its name tells", REDO, delete=True),
    "exchanged export": Kind(
        "it is not what its model file comes to, and {stage} looks through it",
        "delete it, and the files in {stage}/ that were computed with it, and run again",
        delete=True,
    ),
    # sampled videos
    "deviation": Kind("recomputed from its source, {detail}", REDO, delete=True),
    "not recomputed": Kind("it cannot be recomputed: {stage} failed ({detail})", "mend that first", run=False),
}
"""Name -> what it says."""


def found(kind: str, path: str, video_id: str = "", **details: object) -> Finding:
    """A finding of one of `KINDS`; `details` fill in its templates."""
    entry = KINDS[kind]
    delete, absent = ((path,) if named else () for named in (entry.delete, entry.absent))
    remedy = Remedy(entry.words.format(**details), delete, entry.run, absent=absent)
    return Finding(kind, path, entry.problem.format(**details), remedy, video_id)


def flaw(path: str, problem: str, remedy: Remedy, video_id: str) -> Finding:
    """A finding in a stage's own words."""
    return Finding("proof", path, problem, remedy, video_id)
