"""What a user can be told: each error is one sentence that says what to do."""

import errno

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk: no video's fault, and nothing else can succeed either."""


class PortraitPrepError(Exception):
    """Base of every error whose message is meant for the user; the command line prints it and exits 2."""


class BadInput(PortraitPrepError):
    """A path, a corpus or a file that the user named cannot be used."""


class BadSetting(PortraitPrepError):
    """A key of `pipeline.toml` has a value that is not allowed."""


class MissingPrerequisite(PortraitPrepError):
    """Something this machine must have (ffmpeg, a model file, disk space) is not there."""


class NoNetwork(PortraitPrepError):
    """Nothing that lies at an address can be fetched now; that says nothing about any video."""


class WorkspaceBusy(PortraitPrepError):
    """Another run holds this workspace."""


class SourceAway(PortraitPrepError):
    """The file that a video comes from is not there now; that says nothing about the video."""


class TransferFailed(PortraitPrepError):
    """A transfer did not come to its end and may another time; that says nothing about the video."""


class MachineFault(PortraitPrepError):
    """A machine could not do its part (disk, memory, processes, packages); that says nothing about the video."""


class Damaged(PortraitPrepError):
    """A file of the workspace does not hold what its record says it holds."""
