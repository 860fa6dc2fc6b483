"""What the settings say when they are wrong: where and what, and never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.config import load, parse
from proxy.errors import ConfigError

MARK = "mArKeD"
WHOLE: dict[str, Any] = {"source": {"product": "milvus", "url": "http://a:1"}, "listen": {"grpc": "127.0.0.1:1"}}

BROKEN = {
    "an open quote": f'source:\n  token: "{MARK}\n  url: [',
    "an alias": f"source:\n  token: *{MARK}",
    "a tag": f"source:\n  token: !{MARK} x",
    "a colon": f"source:\n  token: {MARK}: {MARK}: x",
    "a tab": f"source:\n\ttoken: {MARK}",
    "a control character": f"source:\n  token: {MARK}\x00",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_yaml_is_told_by_its_place_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "vecferry.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"is not YAML: .*(line|character)") as refused:
        load(tmp_path / "vecferry.yaml")
    assert MARK not in f"{refused.value!r} {refused.value.__cause__!r}"


WRONG: dict[str, dict[str, Any]] = {
    "a list": {"source": WHOLE["source"] | {"token": [MARK]}},
    "a wrong word": {"source": WHOLE["source"] | {"token": {"evn": MARK}}},
    "two ways": {"source": WHOLE["source"] | {"token": {"env": "HOME", "file": MARK}}},
    "a key that is none": {"journal": {"key": MARK}},
    "a short key": {"journal": {"key": "bUFyS2VEbUFyS2VE"}},
    "in a URL": {"source": {"product": "milvus", "url": f"http://root:{MARK}@a:1"}},
    "in the collector's URL": {"telemetry": {"otlp_endpoint": f"http://user:{MARK}@a:1"}},
}


@pytest.mark.parametrize("tree", WRONG.values(), ids=WRONG)
def test_a_wrong_secret_is_not_shown(tree: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(WHOLE | tree)
    assert not any(mark in f"{refused.value!r} {refused.value.__cause__!r}" for mark in (MARK, "bUFyS2VE"))


def test_settings_print_without_their_secrets() -> None:
    key = "bUFyS2VEbUFyS2VEbUFyS2VEbUFyS2VEbUFyS2VEbUE="
    config = parse(WHOLE | {"journal": {"key": key}, "admin": {"token": MARK}, "source": WHOLE["source"] | {"token": MARK}})
    assert not any(mark in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}" for mark in (MARK, key))


def test_a_migration_to_itself_is_refused() -> None:
    side = {"product": "qdrant", "url": "http://a:6333", "grpc_url": "http://a:6334"}
    for target in (side, side | {"url": "http://a:6333/"}):
        with pytest.raises(ConfigError, match="source and target are the same qdrant at http://a:6333"):
            parse({"source": side, "target": target, "listen": {"rest": "127.0.0.1:1"}})
    parse({"source": side, "target": side | {"grpc_url": "http://b:6334"}, "listen": {"rest": "127.0.0.1:1"}})
