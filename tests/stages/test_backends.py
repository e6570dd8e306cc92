"""The choices of each setting `backend` are the entries of its stage's table, and the stage follows from the entry."""

from collections.abc import Mapping
from typing import Any, get_args

import pytest

from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.stages import features, headpose, identity, landmarks, parsing, torso
from portrait_prep.stages.models import registry
from portrait_prep.stages.order import STAGES

TABLES: Mapping[str, Mapping[str, Any]] = {
    "landmarks": landmarks.BACKENDS,
    "headpose": headpose.BACKENDS,
    "torso": torso.BACKENDS,
    "features": features.BACKENDS,
    "parsing": parsing.BACKENDS,
    "identity": identity.BACKENDS,
}
WITH_BACKENDS = [stage for stage in STAGES if "backend" in stage.params.model_fields]


def test_every_stage_with_the_setting_has_a_table() -> None:
    assert {stage.name for stage in WITH_BACKENDS} == set(TABLES)


@pytest.mark.parametrize("stage", WITH_BACKENDS, ids=lambda stage: stage.name)
def test_the_choices_are_the_table_and_the_default_comes_first(stage: Stage[Any]) -> None:
    field = stage.params.model_fields["backend"]
    assert get_args(field.annotation) == tuple(TABLES[stage.name])
    assert field.default == next(iter(TABLES[stage.name]))


@pytest.mark.parametrize("stage", WITH_BACKENDS, ids=lambda stage: stage.name)
def test_the_model_files_of_the_table_are_registered_and_those_of_the_default_bundled(stage: Stage[Any]) -> None:
    for backend in TABLES[stage.name].values():
        assert set(backend.models) <= set(registry.MODELS)
    assert stage.models is not None
    default = TABLES[stage.name][stage.params().backend].models
    assert set(default) <= set(stage.models(stage.params()))
    assert all(registry.MODELS[name].package for name in default)


def test_a_gpu_is_asked_for_by_the_networks_that_can_use_one() -> None:
    wishes = {
        (stage.name, name): stage.wants_gpu(stage.params(backend=name))
        for stage in WITH_BACKENDS
        for name in TABLES[stage.name]
    }
    assert {backend for backend, wished in wishes.items() if wished} == {
        ("headpose", "tddfa"),
        ("headpose", "tddfa_mb1"),
        ("torso", "bisenet"),
        ("features", "wav2vec2"),
        ("features", "hubert"),
        ("parsing", "bisenet"),
    }
