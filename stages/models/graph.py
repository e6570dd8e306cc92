"""One of MediaPipe's graphs, run in the thread that asks it.

MediaPipe's own Python classes do the same at an eighth more: they hand each step of a graph to a pool of threads, and
make a class anew for each picture. What a graph computes is the same, bit for bit.
"""

import importlib
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.picture import Image

STEP = 33333
"""Microseconds from one picture to the next, as MediaPipe's own classes have it; the graphs ask for times that grow."""


class Graph:
    """A graph that takes pictures and gives one stream.

    `file` is its path among MediaPipe's modules, `output` the name of the stream; `switches` are what it is started
    with.
    """

    def __init__(self, file: str, output: str, switches: Mapping[str, bool | int] | None = None) -> None:
        mediapipe = _mediapipe()
        package = Path(mediapipe.__file__).parents[1]
        mediapipe.resource_util.set_resource_dir(str(package.parent))  # where graphs look for their models
        packets = mediapipe.packet_creator
        makers = {bool: packets.create_bool, int: packets.create_int}
        self._inputs = {name: makers[type(value)](value) for name, value in (switches or {}).items()}
        self._graph = _in_this_thread(package / "modules" / file)
        self._graph.observe_output_stream(output, self._receive)
        self._packet = partial(packets.create_image_frame, image_format=mediapipe.ImageFormat.SRGB)
        self._time = 0
        self._received: Any = None
        self._graph.start_run(self._inputs)

    def process(self, image: Image) -> Any:
        """The packet that the graph gives for an RGB image, valid until the next one; None where it gives none.

        Raises RuntimeError when the graph fails; it then fails on all that follows.
        """
        self._received = None
        self._time += STEP
        self._graph.add_packet_to_input_stream("image", self._packet(image).at(self._time))
        self._graph.wait_until_idle()
        return self._received

    def reset(self) -> None:
        """Forget the pictures before."""
        self._graph.close()
        self._graph.start_run(self._inputs)

    def close(self) -> None:
        """Let go of it."""
        self._graph.close()

    def _receive(self, stream: str, packet: Any) -> None:
        del stream
        self._received = packet


def messages(packet: Any) -> list[bytes]:
    """The messages in a packet, serialized (https://protobuf.dev/programming-guides/encoding); none in no packet.

    MediaPipe's public function makes objects of them, which costs as much as all that is done with a face.
    """
    return [] if packet is None else list(_mediapipe().packet_getter._packet_getter._get_serialized_proto_list(packet))


def picture(packet: Any) -> NDArray[Any]:
    """The picture in a packet; the array keeps its memory, whatever the graph gives next."""
    pixels: NDArray[Any] = _mediapipe().packet_getter.get_image_frame(packet).numpy_view()
    return pixels


def _mediapipe() -> Any:
    """MediaPipe's graphs, loaded on first use. The rest of it (drawing, tasks) takes four times as long, and waits."""
    if "mediapipe" not in sys.modules and (spec := find_spec("mediapipe")) and spec.loader:
        sys.modules["mediapipe"] = _postponed(spec, spec.loader)
    return importlib.import_module("mediapipe.python")


def _postponed(spec: ModuleSpec, loader: Loader) -> ModuleType:
    """A package whose own code runs when it is first asked for anything that is not there yet (PEP 562)."""
    package = module_from_spec(spec)

    def load(name: str) -> Any:
        del vars(package)["__getattr__"]
        loader.exec_module(package)
        return getattr(package, name)

    vars(package)["__getattr__"] = load
    return package


def _in_this_thread(file: Path) -> Any:
    """A graph as a file describes it, to be run in the thread that asks.

    A serialized message goes on with whatever is written behind it. It goes by way of a file, since of a message that
    is handed over as an object MediaPipe silently drops the options whose Python modules nobody has loaded. Raises
    MissingPrerequisite where none can be written: the folder of these need not be on the disk of the workspace.
    """
    config = importlib.import_module("mediapipe.framework.calculator_pb2").CalculatorGraphConfig()
    config.executor.add(type="ApplicationThreadExecutor")
    message = file.read_bytes() + config.SerializeToString()
    with ExitStack() as until_read:
        try:
            described = Path(until_read.enter_context(TemporaryDirectory()), file.name)
            str(described).encode()  # as MediaPipe takes it
            described.write_bytes(message)
        except (OSError, UnicodeEncodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "the name of the folder is not valid UTF-8"
            raise MissingPrerequisite(
                f"No temporary file can be written here ({why}): make room in the folder for such files, or "
                "name another one by the environment variable TMPDIR, and run again."
            ) from error
        return _mediapipe().CalculatorGraph(binary_graph_path=str(described))
