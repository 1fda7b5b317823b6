"""The spec: round trip through a model file, refusal of what is not one."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from edgeseg.errors import ModelError
from edgeseg.spec import (
    SPEC_ENTRY,
    ModelSpec,
    embed,
    flatbuffer,
    load_model,
    read_entries,
    read_spec,
)

MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(range(200))
SPEC = ModelSpec(name="tiny", width=64, height=32, previous_mask=True)


def test_json_round_trip_keeps_every_field():
    spec = ModelSpec(
        name="road",
        width=96,
        height=64,
        colour="BGR",
        labels=("road", "car"),
        palette=((1, 2, 3), (4, 5, 6)),
        activation="softmax",
    )
    soft = dataclasses.replace(SPEC, temperature=2.0, sampling="corners")
    assert ModelSpec.from_json(soft.to_json()) == soft
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_embedding_keeps_the_flatbuffer_and_other_entries():
    once = embed(MODEL, {"labels.txt": b"person"})
    twice = embed(once, {SPEC_ENTRY: SPEC.to_json().encode()})
    assert flatbuffer(twice) == MODEL
    assert read_entries(twice)["labels.txt"] == b"person"
    assert read_spec(twice) == SPEC


def test_embedding_twice_replaces_and_gives_equal_bytes():
    entries = {SPEC_ENTRY: SPEC.to_json().encode()}
    assert embed(embed(MODEL, entries), entries) == embed(MODEL, entries)


def test_nothing_is_embedded_in_what_is_no_model():
    with pytest.raises(ModelError, match="model: got no TFLite model"):
        embed(b"not a model at all", {SPEC_ENTRY: SPEC.to_json().encode()})


def test_the_standard_zip_library_reads_the_archive():
    model = embed(MODEL, {SPEC_ENTRY: b"{}"})
    assert zipfile.ZipFile(io.BytesIO(model)).namelist() == [SPEC_ENTRY]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty file"),
        (b"not a model at all", "no TFLite model"),
        (MODEL, "without edgeseg.json"),
        (embed(MODEL, {SPEC_ENTRY: b"{"}), "invalid JSON"),
        (embed(MODEL, {SPEC_ENTRY: b"[]"}), "expected a JSON object"),
        (embed(MODEL, {SPEC_ENTRY: b'{"name": "x"}'}), "missing fields ['width', 'height']"),
        (
            embed(MODEL, {SPEC_ENTRY: b'{"name": "x", "width": 1, "height": 1, "colour": "HSV"}'}),
            "colour: got 'HSV'",
        ),
        (
            embed(MODEL, {SPEC_ENTRY: b'{"name":"x","width":1,"height":1,"temperature":0}'}),
            "temperature: got 0 for 1 labels, expected a positive number",
        ),
        (
            embed(MODEL, {SPEC_ENTRY: b'{"name":"x","width":1,"height":1,"sampling":"edges"}'}),
            "sampling: got 'edges', expected centres or corners",
        ),
    ],
)
def test_a_file_without_a_usable_spec_says_what_is_missing(tmp_path, data, expected):
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    with pytest.raises(ModelError) as error:
        load_model(path)
    assert expected in str(error.value)
    assert str(path) in str(error.value)


def test_a_given_spec_goes_before_the_embedded_one(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(embed(MODEL, {SPEC_ENTRY: SPEC.to_json().encode()}))
    other = dataclasses.replace(SPEC, name="other")
    assert load_model(path, spec=other)[1] == other
    with pytest.raises(ModelError, match="no readable file"):
        load_model(tmp_path / "missing.tflite")


def test_an_unknown_field_is_told_the_known_ones():
    text = '{"name": "x", "width": 8, "height": 8, "color": "RGB"}'
    with pytest.raises(
        ModelError, match=r"unknown fields \['color'\], expected some of .*'colour'"
    ):
        ModelSpec.from_json(text)


def test_a_spec_file_is_read_or_refused(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(SPEC.to_json(), "utf-8")
    assert ModelSpec.from_file(path) == SPEC
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match=r"spec\.json: got no readable spec \(no UTF-8\)"):
        ModelSpec.from_file(path)
    with pytest.raises(ModelError, match=r"no readable spec \(No such file"):
        ModelSpec.from_file(tmp_path / "other.json")


def test_a_spec_beside_a_model_counts_where_none_is_inside(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(MODEL)
    beside = dataclasses.replace(SPEC, name="beside")
    path.with_suffix(".json").write_text(beside.to_json())
    assert load_model(path)[1] == beside
    path.write_bytes(embed(MODEL, {SPEC_ENTRY: SPEC.to_json().encode()}))
    assert load_model(path)[1] == SPEC
    path.write_bytes(MODEL)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(ModelError, match=r"model\.json.*missing fields"):
        load_model(path)


def test_channels_count_the_previous_mask():
    assert SPEC.channels == 4
    assert SPEC.binary
    grey = ModelSpec("grey", 8, 8, colour="GRAY", scale=(1.0,), offset=(0.0,))
    assert grey.channels == 1


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", 3, "name: got 3, expected a string"),
        ("width", "64", "width: got '64', expected a whole number"),
        ("scale", ["a", "b", "c"], "scale: got .*, expected finite numbers"),
        ("offset", [None, None, None], "offset: got .*, expected finite numbers"),
        ("previous_mask", "no", "previous_mask: got 'no', expected true or false"),
        ("labels", [1], "labels: got .*, expected strings"),
        ("palette", [3], "palette: got"),
        ("palette", [[0, 0, 256]], "of 0 to 255"),
        ("temperature", float("inf"), "temperature: got inf"),
        ("description", 7, "description: got 7, expected a string"),
    ],
)
def test_a_field_that_holds_another_thing_is_named(field: str, value: object, message: str) -> None:
    values = {"name": "x", "width": 64, "height": 64, field: value}
    with pytest.raises(ModelError, match=message):
        ModelSpec.from_json(json.dumps(values))


def test_lists_and_numbers_of_numpy_are_taken_as_pythons():
    spec = ModelSpec(
        "x",
        np.int64(64),
        np.int32(32),
        scale=[np.float32(0.5)] * 3,
        offset=np.full(3, -1.0),
        labels=["a", "b"],
        palette=np.array([[0, 0, 0], [1, 2, 3]], np.uint8),
    )
    again = ModelSpec(
        "x", 64, 32, scale=(0.5,) * 3, labels=("a", "b"), palette=((0,) * 3, (1, 2, 3))
    )
    assert spec == again
    assert ModelSpec.from_json(spec.to_json()) == again
