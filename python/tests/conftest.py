"""What the tests share."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def corpus() -> list[Path]:
    """The small histories with known verdicts."""
    folders = sorted(path.parent for path in (ROOT / "histories" / "corpus").glob("*/history.jsonl"))
    assert len(folders) > 100
    return folders


def events(*lines: tuple) -> list[dict]:
    """``(process, type, f, value)`` or with a key behind it."""
    names = ("process", "type", "f", "value", "key", "session")
    return [dict(zip(names, line)) for line in lines]
