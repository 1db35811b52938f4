"""The parts of `make demo`, each alone; the whole is played by `make demo` itself."""

from __future__ import annotations

import http.client
import io
import json
import os
import string
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from demo import kubelet_stand_in, leash, outside_system, processes, stage
from demo.product import Product
from demo.screen import Screen, wants_colour
from demo.story import Columns
from integration_hub.api.kinds import KINDS

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


# -- the product -------------------------------------------------------------------------------------


@pytest.fixture
def product() -> Iterator[Product]:
    with Product(0, release="9.9.9") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(product: Product, method: str, path: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", product.server_port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_product_answers_what_the_hub_reads(product: Product) -> None:
    status, body = ask(product, "GET", "/health")
    assert status == 200
    assert body["status"] == "healthy"
    assert body["version"] == "9.9.9"
    assert isinstance(body["uptime"], float)
    assert isinstance(body["metrics"], dict)
    assert set(body["metrics"]) == {"cpu", "memory"}


def test_a_broken_product_stays_broken_and_alive(product: Product) -> None:
    assert ask(product, "POST", "/break")[0] == 200
    for _ in range(2):
        status, body = ask(product, "GET", "/health")
        assert (status, body["status"]) == (503, "unhealthy")


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/health")])
def test_a_product_knows_nothing_else(product: Product, method: str, path: str) -> None:
    assert ask(product, method, path)[0] == 404


# -- the stand-in for the kubelet --------------------------------------------------------------------

PLAIN = '{"metadata":{"labels":{"app":"orders"}},"spec":{}}'
RESTARTED = (
    '{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-21T10:00:00Z"}},"spec":{}}'
)


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        pytest.param([PLAIN], 1, id="the first template starts it"),
        pytest.param([PLAIN, PLAIN, PLAIN], 1, id="a status update changes nothing"),
        pytest.param([PLAIN, "\n", RESTARTED, RESTARTED], 2, id="a new template does"),
        pytest.param([PLAIN, RESTARTED, PLAIN], 3, id="so does going back"),
    ],
)
def test_the_stand_in_acts_on_changes_of_the_pod_template_only(lines: list[str], kept: int) -> None:
    assert len(list(kubelet_stand_in.changes(lines))) == kept


def test_the_stand_in_replaces_the_process_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    container = kubelet_stand_in.Container(SLEEP)
    pids = []

    def templates() -> Iterator[str]:
        yield PLAIN
        pids.append(container.pid)
        yield RESTARTED
        pids.append(container.pid)

    kubelet_stand_in.run(container, templates())
    container.stop()
    first, second = pids
    assert first != second
    assert container.pid is None
    assert first is not None
    assert not leash.alive(first)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"started the product, pid {first}"
    assert "restartedAt 2026-11-21T10:00:00Z" in said[1]


# -- the leash ---------------------------------------------------------------------------------------


def held(*options: str) -> subprocess.Popen[str]:
    """A leash around a program that prints its id and sleeps."""
    program = [sys.executable, "-u", "-c", "import os, time; print(os.getpid()); time.sleep(600)"]
    return subprocess.Popen(
        [sys.executable, str(leash.__file__), *options, "--", *program], stdout=subprocess.PIPE, text=True
    )


def first_line(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_removing_the_file_ends_the_program(tmp_path: Path) -> None:
    file = tmp_path / "running"
    file.touch()
    with held("--while", str(file)) as process:
        child = first_line(process)
        assert leash.alive(child)
        file.unlink()
        assert process.wait(30) == 0
    assert not leash.alive(child)


def test_cutting_the_leash_waits_until_the_program_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "running"
    file.touch()
    with held("--while", str(file)) as process:
        child = first_line(process)
        leash.cut(file, 30)
        assert not leash.alive(child)
        assert process.wait(30) == 0
    assert not file.exists()


def test_the_end_of_the_owner_ends_the_program(tmp_path: Path) -> None:
    file = tmp_path / "running"
    file.touch()
    with subprocess.Popen(SLEEP) as owner, held("--while", str(file), "--owner", str(owner.pid)) as process:
        child = first_line(process)
        owner.kill()
        owner.wait()
        assert process.wait(30) == 0
    assert not leash.alive(child)


def test_a_program_that_ends_by_itself_ends_its_leash_with_its_status(tmp_path: Path) -> None:
    file = tmp_path / "running"
    file.touch()
    command = [
        sys.executable,
        str(leash.__file__),
        "--while",
        str(file),
        "--",
        sys.executable,
        "-c",
        "exit(7)",
    ]
    assert subprocess.run(command, check=False, timeout=60).returncode == 7


def test_a_program_that_dies_early_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    file = tmp_path / "running"
    file.touch()
    program = processes.Program(
        "hub",
        [sys.executable, "-c", "print('no kubeconfig'); exit(3)"],
        leash=file,
        log=tmp_path / "hub.log",
        owner=os.getpid(),
    )
    with pytest.raises(processes.DemoError, match=r"hub ended with status 3 before readiness\nno kubeconfig"):
        program.until(lambda: False, 60, "readiness")
    program.wait_gone()


def test_a_taken_port_gives_way_to_a_free_one() -> None:
    with Product(0, release="1") as taken:
        port = processes.free_port(taken.server_port)
    assert port != taken.server_port
    assert processes.free_port(port) == port


# -- the screen --------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "colour"),
    [
        pytest.param(Terminal(), {}, True, id="a terminal"),
        pytest.param(Terminal(), {"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param(Terminal(), {"TERM": "dumb"}, False, id="a dumb terminal"),
        pytest.param(io.StringIO(), {}, False, id="a pipe"),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    stream: io.StringIO, environment: dict[str, str], colour: bool
) -> None:
    assert wants_colour(stream, environment) is colour


def play(screen: Screen) -> None:
    screen.title("Title", "line")
    screen.section("Section")
    screen.say("word " * 40)
    screen.command("kubectl get hub")
    screen.output("a table that is wide " * 10)
    screen.aside("somebody", "something")
    with screen.wait("control plane") as step:
        screen.note(step, "building etcd")
        step.done = "four programs"
    screen.good("good")
    screen.bad("bad\nbecause")


def test_a_pipe_gets_plain_lines_and_every_note() -> None:
    stream = io.StringIO()
    play(Screen(stream, {}))
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    assert "building etcd\n" in text
    assert ("a table that is wide " * 10).strip() in text
    assert all(len(line) <= 100 for line in text.splitlines() if "word" in line)


def test_no_color_on_a_terminal_means_no_colour_codes() -> None:
    stream = Terminal()
    play(Screen(stream, {"NO_COLOR": "1", "COLUMNS": "80"}))
    assert "\x1b[3" not in stream.getvalue()
    assert "\x1b[1m" not in stream.getvalue()


def test_a_terminal_cuts_wide_tables_and_ends_the_spinner_line() -> None:
    stream = Terminal()
    play(Screen(stream, {"COLUMNS": "60"}))
    lines = [line for line in stream.getvalue().split("\n") if "a table" in line]
    assert [len(line) for line in lines] == [60]
    assert "\r\x1b[K" in stream.getvalue()


def test_the_columns_of_a_watch_stay_in_line() -> None:
    columns = Columns()
    lines = [
        columns.align(line)
        for line in (
            "NAME     HEALTH    SINCE   AGE\n",
            "orders   healthy   1s      2s\n",
            "orders   unhealthy   0s      3s\n",
        )
    ]
    assert len({line.index(cell) for line, cell in zip(lines, ("SINCE", "1s", "0s"), strict=True)}) == 1
    assert columns.align("no such table") == "no such table"


# -- the files ---------------------------------------------------------------------------------------

VALUES = {
    "namespace": "shop",
    "hub_namespace": "integration-hub",
    "stripe_host": "stripe.demo",
    "stripe_port": "18420",
    "orders_port": "18080",
    "wrong_key": outside_system.WRONG_KEY,
}


@pytest.mark.parametrize("path", sorted((stage.HERE / "yaml").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_demos_files_are_valid_objects_of_our_kinds(path: Path) -> None:
    kinds = {info.kind: info for info in KINDS}
    documents = list(yaml.safe_load_all(string.Template(path.read_text()).substitute(VALUES)))
    assert documents
    for document in documents:
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "shop"
        if document["kind"] in kinds:
            kinds[document["kind"]].spec.model_validate(document["spec"])


def test_the_outside_system_is_pinned_with_hashes() -> None:
    lock = (stage.HERE / "outside-system.lock").read_text()
    pins = [line for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert outside_system.version() == "1.15.10"
    assert len(pins) > 5
    assert lock.count("--hash=sha256:") >= len(pins)


def test_stopping_where_nothing_runs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert stage.stop() is False
