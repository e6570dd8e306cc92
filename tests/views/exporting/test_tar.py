"""A tar file holds its members, whatever their names and sizes, and nothing of when and by whom it was written."""

import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portrait_prep.views.exporting.tar import Member, write_tar

NAMES = st.from_regex(r"[A-Za-z0-9%_-]{1,200}\.[a-z]{1,9}", fullmatch=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.lists(st.binary(max_size=700), max_size=3), max_size=5))
def test_members_are_read_back(tmp_path: Path, files: dict[str, list[bytes]]) -> None:
    write_tar(tmp_path / "x.tar", (Member(name, sum(map(len, each)), each) for name, each in files.items()))
    assert (tmp_path / "x.tar").stat().st_size % tarfile.RECORDSIZE == 0
    with tarfile.open(tmp_path / "x.tar") as found:
        members = found.getmembers()
        assert [member.name for member in members] == list(files)
        for member in members:
            file = found.extractfile(member)
            assert file is not None
            assert file.read() == b"".join(files[member.name])
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
            assert (member.mode, member.isreg()) == (0o644, True)


def test_a_member_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a has 3 bytes, not 4"):
        write_tar(tmp_path / "x.tar", [Member("a", 4, [b"abc"])])
