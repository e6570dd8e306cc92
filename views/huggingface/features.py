"""Columns as `datasets` names their types, in the metadata of a Parquet file and in the card.

Format: `Features` of https://github.com/huggingface/datasets, src/datasets/features/features.py: what it writes as JSON
into the schema's metadata under `huggingface`, and as YAML into README.md. Vectors are a `Sequence` of fixed length,
which all of its versions read.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from portrait_prep.pipeline.declare.stage import Column
from portrait_prep.pipeline.store.arrow import arrow_type

NAMES = {"str": "string", "float": "float64", "int": "int64"}
"""Our name of a type -> theirs, where they differ; of others it is NumPy's."""


@dataclass(frozen=True)
class Feature:
    """A column of the Parquet files: scalars, or arrays of a fixed shape."""

    column: Column

    @property
    def dtype(self) -> str:
        """The type of its values, as `datasets` calls it."""
        return NAMES.get(self.column.dtype, self.column.dtype)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """For the schema."""
        value = {"dtype": self.dtype, "_type": "Value"}
        match self.column.shape:
            case ():
                return value
            case (length,):
                return {"feature": value, "length": length, "_type": "Sequence"}
            case shape:
                return {"shape": list(shape), "dtype": self.dtype, "_type": f"Array{len(shape)}D"}

    @property
    def card(self) -> Mapping[str, Any]:
        """For the card."""
        name = {"name": self.column.name}
        match self.column.shape:
            case ():
                return {**name, "dtype": self.dtype}
            case (length,):
                return {**name, "sequence": self.dtype, "length": length}
            case shape:
                return {**name, "dtype": {f"array{len(shape)}_d": {"shape": list(shape), "dtype": self.dtype}}}


def schema(features: Iterable[Feature]) -> pa.Schema:
    """Of the Parquet files."""
    listed = list(features)
    info = {"info": {"features": {each.column.name: each.metadata for each in listed}}}
    fields = [pa.field(each.column.name, arrow_type(each.column)) for each in listed]
    return pa.schema(fields, {"huggingface": json.dumps(info)})
