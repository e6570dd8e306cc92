"""`doctor`: what of this machine works for the pipeline, and what to do about what does not.

Loads no package that may itself be the trouble: it asks other processes, or imports where it can catch.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

from portrait_prep.cli.doctor import machine
from portrait_prep.cli.terminal import WorkspaceOption, say
from portrait_prep.errors import MissingPrerequisite
from portrait_prep.pipeline.declare.workspace import Workspace

DISTRIBUTION = "portrait-prep"
PYTHONS = ((3, 11), (3, 12))
NATIVE = ("numpy", "pyarrow", "cv2", "av", "mediapipe", "onnxruntime", "scipy", "kaldi_native_fbank", "distributed")
"""Modules with native parts: installed is not the same as loadable."""
OPENCVS = ("opencv-contrib-python", "opencv-python", "opencv-contrib-python-headless", "opencv-python-headless")
ENCODERS = {"libx264": "every video", "pcm_s16le": "every sound track", "aac": "the demo"}
GIB = 1 << 30
WORKER_MEMORY = 1 * GIB
"""What a worker may come to: the networks and some frames."""
LITTLE_DISK = 5 * GIB
"""Under three hours of footage: media and shards of one take about 1.7 GiB."""
STALE = 90
"""Days after which yt-dlp itself says that it is too old: a release comes at least as often, since sites change."""
FIND_DEVICES = "from portrait_prep.pipeline.run.gpus import find_devices; print(*find_devices())"
PATIENCE = 120.0
"""Seconds that a program may take to answer."""


def doctor(*, workspace: WorkspaceOption = Path()) -> int:
    """Look at python, packages, ffmpeg, models, cores, memory, disk and GPU; say what works and what to do else."""
    Workspace(workspace.absolute()).announce()
    checks = []
    for check in examine(workspace.absolute()):
        say(check.line())
        checks.append(check)
    say(conclusion(checks))
    return 0


@dataclass(frozen=True)
class Check:
    """One finding. `advice` says what to do when not ok; without what is `essential` no video is processed."""

    name: str
    ok: bool
    finding: str
    advice: str = ""
    essential: bool = True

    def line(self) -> str:
        """As one line of text."""
        text = f"{'OK' if self.ok else '!!'}  {self.name}: {self.finding}"
        return text if self.ok else f"{text}; {self.advice}"


def examine(workspace: Path) -> Iterator[Check]:
    """All checks, one after another; `workspace` need not exist. Takes some seconds: native packages are loaded."""
    yield check_python()
    yield check_packages()
    yield check_opencv()
    loading = check_loading()
    yield loading
    yield check_ffmpeg()
    yield check_ytdlp(date.today())
    yield check_javascript()
    yield from check_models() if loading.ok else (BEFORE_MODELS,)
    yield check_cores()
    yield check_memory()
    yield check_workspace(workspace)
    yield check_disk(workspace)
    yield check_gpu()


def conclusion(checks: Sequence[Check]) -> str:
    """Sum up in one sentence. Raises MissingPrerequisite when something essential does not work."""
    lacking = [check for check in checks if not check.ok]
    essential = [check.name for check in lacking if check.essential]
    if essential:
        raise MissingPrerequisite(f"The pipeline cannot run on this machine yet: see to {', '.join(essential)}.")
    if lacking:
        return f"The pipeline will run; worth seeing to: {', '.join(check.name for check in lacking)}."
    return "Everything that the pipeline needs works."


def check_python() -> Check:
    """The pinned set needs 3.11, and MediaPipe's wheels end at 3.12."""
    found = f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}"
    return Check("python", sys.version_info[:2] in PYTHONS, found, "make the environment anew with Python 3.11 or 3.12")


def check_packages() -> Check:
    """Whether everything that is required is there, in a version that fits."""
    try:
        broken = sorted(set(machine.unmet(DISTRIBUTION)))
    except metadata.PackageNotFoundError:
        return Check("packages", False, f"{DISTRIBUTION} itself is not installed", "run 'make setup'")
    found = ", ".join(broken or machine.installed(DISTRIBUTION))
    return Check("packages", not broken, found, "run 'make setup', or install again with '-c constraints.txt'")


def check_opencv() -> Check:
    """Two distributions of OpenCV write to the same folder: the one installed last overwrites half of the other."""
    found = machine.among(OPENCVS)
    return Check(
        "opencv",
        len(found) < 2,
        f"{' and '.join(found) or 'none'} installed",
        f"keep one: 'pip uninstall -y {' '.join(found)}', then 'pip install -c constraints.txt {OPENCVS[0]}'",
        essential=False,
    )


def check_loading() -> Check:
    """Whether the packages with native parts can be imported."""
    failing = machine.failing(NATIVE, PATIENCE)
    errors = "; ".join(f"{name}: {error}" for name, error in failing.items())
    return Check(
        "native libraries",
        not failing,
        errors or f"{', '.join(NATIVE)} load",
        "install the system library that is named (Debian: libgl1, libglib2.0-0, libgles2, libegl1), else run "
        "'make setup'",
    )


def find_ffmpeg() -> str:
    """The path of the ffmpeg that the pipeline would use. Raises ImportError, or RuntimeError when there is none."""
    import imageio_ffmpeg  # noqa: PLC0415  it may be missing

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def check_ffmpeg() -> Check:
    """Whether ffmpeg is there, starts, and has the encoders."""
    advice = "reinstall the package 'imageio-ffmpeg', or name an ffmpeg with libx264 in IMAGEIO_FFMPEG_EXE"
    try:
        path = find_ffmpeg()
        answer = _ask(path, "-hide_banner", "-encoders")
        version = _ask(path, "-version").split(" Copyright")[0].strip()
    except (ImportError, RuntimeError):
        return Check("ffmpeg", False, "not found", advice)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("ffmpeg", False, f"{path} cannot be run ({error})", advice)
    missing = ENCODERS.keys() - encoders(answer)
    lacks = [f"no {name} ({use} needs it)" for name, use in ENCODERS.items() if name in missing]
    has = ", ".join(lacks or ENCODERS)
    return Check("ffmpeg", not missing, f"{version} at {path}, {has}", advice)


def encoders(answer: str) -> set[str]:
    """Names in the answer to `ffmpeg -encoders`: after a ruled line, flags, name and description."""
    rows = answer.partition("------")[2].splitlines()[1:]
    return {words[1] for row in rows if len(words := row.split()) > 1}


def check_ytdlp(today: date) -> Check:
    """Whether the package that reads the pages of video sites is of these days."""
    advice = "sites change and an old one fails at them: 'pip install --upgrade yt-dlp', then try again"
    version = machine.version_of("yt-dlp")
    if version is None:
        return Check("yt-dlp", False, "not installed, so no video is fetched from its page", "run 'make setup'", False)
    days = machine.release_age(version, today)
    finding = version if days is None else f"{version}, {days} days old"
    return Check("yt-dlp", days is None or days <= STALE, finding, advice, essential=False)


def check_javascript() -> Check:
    """Whether yt-dlp can run the programs of a page: YouTube's name some formats only to those who do."""
    name, wanted = "JavaScript runtime", f"{machine.RUNTIME} for yt-dlp"
    lack = "YouTube offers only some of its formats, maybe none, while other sites work"
    advice = "to download from YouTube, 'pip install yt-dlp[default,deno]'"
    try:
        found = machine.javascript_runtime()
    except (ImportError, KeyError):
        return Check(name, False, "not looked for, since yt-dlp does not load", "run 'make setup'", False)
    if found is None:
        return Check(name, False, f"no {wanted}: {lack}", advice, False)
    finding = f"{machine.RUNTIME} {found.version} at {found.path}"
    return Check(name, found.fit, finding if found.fit else f"{finding} is too old for yt-dlp: {lack}", advice, False)


BEFORE_MODELS = Check("models", False, "not looked at", "mend the native libraries first")


def check_models() -> Iterator[Check]:
    """Whether each model file is there and the right one; those that no package brings are better ones, not needed."""
    from portrait_prep.stages.models.registry import MODELS, verified  # noqa: PLC0415  its package loads the networks' libraries

    for name, model in MODELS.items():
        essential = model.package is not None
        try:
            found = verified(name)
        except MissingPrerequisite as error:
            problem, _, advice = str(error).rstrip(".").partition(": ")
            yield Check(f"model {name}", False, problem, advice, essential)
        else:
            yield Check(f"model {name}", True, f"{found.where}, {found.path}")


def check_cores() -> Check:
    """How many workers are worth starting."""
    cores = machine.core_limit()
    return Check("cores", cores >= 1, f"{cores:g}", "expect it to be slow: less than one core is granted", False)


def check_memory() -> Check:
    """Whether there is enough for one worker a core."""
    total, cores = machine.memory_limit(), max(1, int(machine.core_limit()))
    workers = max(1, total // WORKER_MEMORY)
    enough = total >= cores * WORKER_MEMORY
    finding = f"{total} bytes ({total / GIB:.1f} GiB) for {cores} workers"
    return Check("memory", enough, finding, f"use --workers {workers}: one may take 1 GiB", essential=False)


def check_workspace(workspace: Path) -> Check:
    """Whether the workspace, or the folder that it would be made in, can be written to: tried with a file."""
    folder = _existing(workspace)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        problem = f"{folder} cannot be written to ({error.strerror})"
        return Check("workspace", False, problem, "mend its rights or name another with -w")
    return Check("workspace", True, f"{folder} can be written to")


def check_disk(workspace: Path) -> Check:
    """Whether there is disk space to begin with."""
    free = shutil.disk_usage(_existing(workspace)).free
    finding = f"{free} bytes ({free / GIB:.1f} GiB) free"
    advice = "make room: an hour of footage takes about 2 GiB"
    return Check("disk", free >= LITTLE_DISK, finding, advice, essential=False)


def check_gpu() -> Check:
    """Whether there is a GPU; it is never needed."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Check("gpu", True, "none found; everything runs on the CPU")
    try:
        answer = _ask(program, "--query-gpu=name,memory.total", "--format=csv,noheader").strip()
    except (OSError, subprocess.SubprocessError):
        return Check(
            "gpu", False, "nvidia-smi does not answer", "mend the NVIDIA driver or do without", essential=False
        )
    finding = "; ".join(answer.splitlines())
    if finding and not _gpu_can_be_used():
        advice = "to use it, install onnxruntime-gpu or PyTorch with CUDA, and see CUDA_VISIBLE_DEVICES"
        return Check("gpu", False, f"{finding}, which no run would use", advice, essential=False)
    return Check("gpu", True, finding or "none found; everything runs on the CPU")


def _gpu_can_be_used() -> bool:
    """Whether a run would use it."""
    try:
        return bool(_ask(sys.executable, "-c", FIND_DEVICES).strip())
    except (OSError, subprocess.SubprocessError):
        return False


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _ask(*command: str) -> str:
    """What a program prints. Raises OSError or SubprocessError when it cannot be run or fails."""
    answer = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, errors="backslashreplace", timeout=PATIENCE, check=True
    )
    return answer.stdout
