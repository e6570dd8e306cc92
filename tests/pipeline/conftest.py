from collections.abc import Iterator

import pytest

from tests.pipeline.rules import toy_rule


@pytest.fixture(scope="module")
def toy_rules() -> Iterator[None]:
    """The toys' rule judges, in place of those of the project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portrait_prep.pipeline.status.survey.judge", toy_rule)
        yield
