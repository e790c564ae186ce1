"""Everything that a check prints as JSON is as its schema says."""

import json

import pytest
import steadfast_checker as steadfast
from conftest import ROOT, events

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((ROOT / "docs/schemas/check.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_output_of_the_whole_corpus_is_valid(validator, corpus):
    verdicts = set()
    for folder in corpus:
        told = steadfast.check(folder / "history.jsonl", measure=True).to_dict()
        problems = [f"{folder.name}: {error.json_path}: {error.message}" for error in validator.iter_errors(told)]
        assert not problems, "\n".join(problems[:5])
        verdicts.add(told["verdict"])
    assert {"holds", "violated"} <= verdicts, verdicts


def test_the_schema_refuses_what_is_not_so(validator):
    told = steadfast.check(events((0, "invoke", "write", 1), (0, "ok", "write", 1),
                                  (0, "invoke", "read", None), (0, "ok", "read", 1))).to_dict()
    assert validator.is_valid(told)
    for name, wrong in (("verdict", "fine"), ("counts", {}), ("levels", [{"level": "linearizable"}]), ("more", 1)):
        assert not validator.is_valid({**told, name: wrong}), name
    assert not validator.is_valid({**told, "verdict": "unknown"}), "without a reason"
