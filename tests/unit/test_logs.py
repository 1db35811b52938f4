"""Logs: one shape for everybody's records, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from integration_hub import logs
from integration_hub.ports import SecretText

TOKEN = "xoxb-1234567890-abcdefghij"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlLWJ5dGVz"


@pytest.fixture
def lines() -> Iterator[Any]:
    """A function that returns the JSON objects logged so far; the logging of pytest is put back after."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(stream=stream, level="debug")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_a_record_is_one_json_object_with_its_facts(lines: Any) -> None:
    logging.getLogger("integration_hub.runtime").warning(
        "Reconcile failed", extra={"object": "A b/c", "n": 2}
    )
    (line,) = lines()
    assert list(line)[:5] == ["time", "level", "logger", "event", "object"]
    assert line["time"].endswith("Z")
    assert {key: line[key] for key in ("level", "logger", "event", "object", "n")} == {
        "level": "warning",
        "logger": "integration_hub.runtime",
        "event": "Reconcile failed",
        "object": "A b/c",
        "n": 2,
    }


def test_structlog_and_standard_records_come_in_the_same_shape(lines: Any) -> None:
    structlog.get_logger("ours").info("hello", n=1)
    logging.getLogger("theirs").info("hello", extra={"n": 1})
    ours, theirs = lines()
    assert set(ours) == set(theirs)
    assert (ours["event"], ours["n"]) == (theirs["event"], theirs["n"])


def test_kopfs_records_name_their_object_and_leave_its_settings_out(lines: Any) -> None:
    logging.getLogger("kopf").warning(
        "Handled",
        extra={
            "settings": object(),
            "k8s_skip": True,
            "k8s_ref": {"kind": "Integration", "namespace": "a", "name": "b", "uid": "u", "apiVersion": "v"},
        },
    )
    (line,) = lines()
    assert line["object"] == "Integration a/b"
    assert not {"settings", "k8s_skip", "k8s_ref"} & set(line)


def test_an_exception_stays_on_its_line(lines: Any) -> None:
    try:
        int("bad\nthing")
    except ValueError:
        logging.getLogger("x").exception("Oops")
    (line,) = lines()
    assert "ValueError: invalid literal" in line["exception"]


@pytest.mark.parametrize(
    "extra",
    [
        {"value": SecretText(TOKEN)},
        {"token": TOKEN},
        {"access_token": TOKEN},
        {"accessToken": TOKEN},
        {"Authorization": TOKEN},
        {"password": TOKEN},
        {"clientSecret": TOKEN},
        {"client-secret": TOKEN},
        {"api_key": TOKEN},
        {"X-Api-Key": TOKEN},
        {"apiKey": TOKEN},
        {"credentials": {"anything": TOKEN}},
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"deep": [{"list": [{"secret": TOKEN}]}]},
        {"secret_data": {"a": TOKEN}},
        {"note": f"sent Bearer {TOKEN} to slack"},
        {"url": f"https://example.com/x?access_token={TOKEN}&page=2"},
        {"url": f"https://user:{TOKEN}@example.com/x"},
        {"body": f'{{"client_secret": "{TOKEN}"}}'},
        {"error": RuntimeError(f"refused: password={TOKEN}")},
        {"held": {"in": SecretText(TOKEN)}},
    ],
    ids=lambda extra: str(next(iter(extra))),
)
def test_no_secret_gets_into_a_line(lines: Any, extra: dict[str, Any]) -> None:
    logging.getLogger("x").warning("Something", extra=extra)
    (line,) = lines()
    assert TOKEN not in json.dumps(line)
    assert "***" in json.dumps(line)


def test_no_secret_gets_into_a_line_by_an_exception_or_a_message(lines: Any) -> None:
    def call() -> None:
        raise RuntimeError(f"GET https://api.example.com/?token={TOKEN} failed, Authorization: Bearer {JWT}")

    try:
        call()
    except RuntimeError:
        logging.getLogger("x").exception("Call with %s failed", JWT)
    (line,) = lines()
    assert TOKEN not in json.dumps(line)
    assert JWT not in json.dumps(line)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("secretRef", {"name": "slack-bot"}),
        ("secret_name", "slack-bot"),
        ("token_url", "https://example.com/oauth/token"),
        ("object", "Secret team-a/slack-bot"),
        ("retry_in", 0.5),
        ("cause", "Forbidden: secrets is forbidden for the ServiceAccount"),
        ("reason", "CredentialsReady"),
        ("has_token", False),
    ],
)
def test_what_helps_to_understand_is_kept(lines: Any, key: str, value: Any) -> None:
    logging.getLogger("x").warning("Something", extra={key: value})
    (line,) = lines()
    assert line[key] == value


def test_text_is_one_line_for_people_with_the_same_redaction() -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        logs.configure(form="text", stream=stream)
        logging.getLogger("hub").warning("A watch was lost", extra={"watch": "integrations", "token": TOKEN})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "A watch was lost" in text
    assert "watch=integrations" in text
    assert TOKEN not in text
    assert "\x1b" not in text, "no colours where nobody sees them"


def test_the_level_is_kept(lines: Any) -> None:
    stream = io.StringIO()
    logs.configure(level="warning", stream=stream)
    logging.getLogger("x").info("quiet")
    structlog.get_logger("y").info("quiet")
    logging.getLogger("x").error("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]
