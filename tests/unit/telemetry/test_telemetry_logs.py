from __future__ import annotations

import json
import logging

import pytest

from proxy.telemetry.logs import JsonFormatter, TextFormatter, set_up


@pytest.fixture
def quiet():
    """Logging as it was before."""
    root, own = logging.getLogger(), logging.getLogger("proxy")
    before = list(root.handlers), root.level, own.level
    yield
    root.handlers[:], root.level, own.level = before[0], before[1], before[2]
    logging.getLogger().manager._clear_cache()


def record(**extra: object) -> logging.LogRecord:
    return logging.getLogger("proxy.x").makeRecord("proxy.x", logging.INFO, "f", 1, "it is %s", ("so",), None, extra=extra)


def test_a_line_is_one_json_object_with_what_the_call_gave() -> None:
    line = json.loads(JsonFormatter().format(record(phase="mirror", count=3)))
    assert line | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "proxy.x",
        "message": "it is so",
        "phase": "mirror",
        "count": 3,
    }


def test_a_failure_stays_on_its_line() -> None:
    try:
        raise ValueError("of\ntwo lines")
    except ValueError as error:
        failed = record()
        failed.exc_info = (type(error), error, error.__traceback__)
    text = JsonFormatter().format(failed)
    assert "\n" not in text
    assert "ValueError" in json.loads(text)["error"]


def test_people_see_the_same() -> None:
    assert TextFormatter("%(message)s").format(record(phase="mirror")) == "it is so phase=mirror"


def test_the_level_is_ours_and_libraries_only_warn(quiet, capsys) -> None:
    set_up("debug", "json")
    logging.getLogger("proxy.x").debug("ours")
    logging.getLogger("httpx").info("HTTP Request: GET http://x")
    logging.getLogger("httpx").warning("theirs")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["ours", "theirs"]
