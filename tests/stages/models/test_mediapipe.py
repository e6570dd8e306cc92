"""A picture that a network cannot look at costs no picture after it."""

from collections.abc import Callable

import numpy as np
import pytest

from portrait_prep.media.picture import Image
from portrait_prep.stages.models.mediapipe import FaceDetector, FaceMesh, PersonSegmenter, _Network

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)


@pytest.mark.parametrize("make", [FaceDetector, FaceMesh, PersonSegmenter])
def test_a_picture_of_no_pixels_is_an_error_of_its_own(make: Callable[[], Callable[[Image], Image]]) -> None:
    network = make()
    before = network(PICTURE).copy()
    for shape in ((0, 0, 3), (5, 0, 3)):
        with pytest.raises(RuntimeError, match="no pixels"):
            network(np.empty(shape, np.uint8))
    if isinstance(network, FaceMesh | PersonSegmenter):
        network.reset()
    assert np.array_equal(network(PICTURE), before)


def test_a_network_that_broke_is_made_anew() -> None:
    """As MediaPipe's graphs behave: after one error they know no other answer."""

    class Graph:
        def __init__(self) -> None:
            made.append(self)
            self.broken = self.closed = False

        def process(self, image: Image) -> int:
            self.broken |= image.shape[0] == 1
            if self.broken:
                raise RuntimeError("Graph has errors")
            return 7

        def close(self) -> None:
            self.closed = True
            if self.broken:
                raise RuntimeError("Graph has errors")

    made: list[Graph] = []
    network = _Network(Graph)
    assert network(PICTURE) == 7
    with pytest.raises(RuntimeError, match="Graph has errors"):
        network(PICTURE[:1])
    assert network(PICTURE) == 7
    assert [graph.closed for graph in made] == [True, False]
