"""Kills a process at one line of the store after another, and looks at what the database then holds.

    python store_crashes.py URL-OR-FOLDER POINTS

Run as a program, since it forks: each child works on a fresh database and is killed (SIGKILL, by itself) at
the n-th line that it runs within the store's package, the n spread over the whole of the work. What was
acknowledged before has left the child through a pipe. Prints a JSON object: how many children were killed,
what was wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

SUPPORT = Path(__file__).resolve().parent
sys.path[:0] = [str(SUPPORT), str(SUPPORT.parents[1] / "operator")]

from integration_hub.adapters.clock import SystemClock, SystemEntropy  # noqa: E402
from integration_hub.ports import BreakerRow, CallQuery, KeptAnswer, Wakeup, WindowLimit  # noqa: E402
from integration_hub.store import DatabaseStore, open_store  # noqa: E402
from store_stage import NAMESPACE, UID, Stage  # noqa: E402

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=1)
LIMITS = [WindowLimit(1_000, 86_400)]
ANSWER = KeptAnswer("fingerprint", 200, b"body")
ROUNDS = 4
_STORE = f"{os.sep}integration_hub{os.sep}store{os.sep}"


async def work(store: DatabaseStore, acknowledge: Any) -> None:
    """Something of everything, some of it at once. `acknowledge` says what has been promised."""
    stage = Stage()
    for number in range(ROUNDS):
        for _ in range(3):
            store.record_call(stage.call(milliseconds=1.5))
        await store.find_calls(CallQuery(NAMESPACE, limit=1))
        acknowledge("calls", 3)
        await asyncio.gather(store.put_once(f"d{number}", "v", LATER), store.take(UID, LIMITS, NOW))
        acknowledge("put", number)
        acknowledge("taken", 1)
        if number % 2:
            assert await store.take_once(f"d{number}", NOW) == "v"
            acknowledge("used", number)
        assert await store.begin("ann", f"k{number}", "fingerprint", LATER) == "new"
        await store.finish("ann", f"k{number}", ANSWER)
        acknowledge("finished", number)
        await store.save_breaker(UID, BreakerRow("open", failures=number + 1, version=number))
        acknowledge("breaker", number + 1)
        await store.wake(Wakeup("Integration", NAMESPACE, f"w{number}", "Called"))
        acknowledge("woken", number)
    await store.tend(NOW)


def live(url: str, fatal: int, pipe: int) -> int:
    """One child's life; returns how many lines of the store it ran, should it come to that."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if _STORE not in frame.f_code.co_filename:
            return None
        if event == "line":
            lines += 1
            if lines == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    def acknowledge(what: str, value: int) -> None:
        os.write(pipe, f"{what} {value}\n".encode())

    async def story() -> None:
        store = await open_store(url, SystemClock(), SystemEntropy())
        await work(store, acknowledge)
        await store.close()

    threading.settrace(trace)
    sys.settrace(trace)
    asyncio.run(story())
    sys.settrace(None)
    return lines


async def wrongs(url: str, promised: list[tuple[str, int]]) -> list[str]:
    """What a process that comes after finds missing or inconsistent."""
    store = await open_store(url, SystemClock(), SystemEntropy())
    found: dict[str, list[int]] = {}
    for what, value in promised:
        found.setdefault(what, []).append(value)
    used, finished = set(found.get("used", [])), found.get("finished", [])
    checks: list[tuple[str, bool]] = []
    entries = len(await store.find_calls(CallQuery(NAMESPACE, limit=1_000)))
    checks.append((f"{entries} calls", entries >= sum(found.get("calls", []))))
    totals = (await store.call_figures(NAMESPACE, [])).get(UID)
    minutes = (await store.call_figures(NAMESPACE, [], since=NOW - timedelta(hours=1))).get(UID)
    checks.append((f"{totals} is not {minutes}", totals == minutes))
    checks.append((f"{totals} of {entries}", (totals.total if totals else 0) == entries))
    sizes = await store.engine.read(lambda tx: tx.rows("SELECT coalesce(sum(entries), 0) FROM log_sizes"))
    checks.append((f"{sizes} of {entries}", int(sizes[0][0]) == entries))
    windows = await store.used(UID, 86_400, NOW)
    checks.append((f"{windows} in the window", len(found.get("taken", [])) <= windows <= ROUNDS))
    breaker = (await store.load_breakers()).get(UID, BreakerRow())
    checks.append((f"{breaker}", breaker.version >= max(found.get("breaker", [0]))))
    checks.append((f"{breaker} is torn", breaker.failures == breaker.version))
    woken = {wakeup.name for wakeup in await store.drain()}
    checks.append((f"woken {woken}", {f"w{number}" for number in found.get("woken", [])} <= woken))
    for number in found.get("put", []):
        kept = await store.take_once(f"d{number}", NOW)
        # Whether one that was about to be used is gone, only the killed process knew.
        in_between = bool(number % 2) and number not in used
        checks.append((f"d{number} is {kept}", in_between or kept == (None if number in used else "v")))
    for number in finished:
        begun = await store.begin("ann", f"k{number}", "fingerprint", LATER)
        checks.append((f"k{number} is {begun}", begun == ANSWER))
    await store.close()
    return [wrong for wrong, right in checks if not right]


def child(url: str, fatal: int) -> tuple[bool, int, list[tuple[str, int]]]:
    """Whether it was killed, the lines it ran if not, and what it had promised."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        lines = live(url, fatal, writing)
        os.write(writing, f"lines {lines}\n".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = [(what, int(value)) for what, value in (line.split() for line in pipe)]
    _, status = os.waitpid(pid, 0)
    lines = next((value for what, value in said if what == "lines"), 0)
    return os.WIFSIGNALED(status), lines, said


def main(target: str, points: int) -> None:
    def fresh() -> str:
        name = uuid.uuid4().hex[:12]
        return f"{target}&schema=t_{name}" if "://" in target else f"sqlite://{target}/{name}.db"

    _, lines, _ = child(fresh(), -1)
    assert lines, "the work fails without being killed"
    killed, wrong = 0, []
    for number in range(points):
        url, fatal = fresh(), 1 + (2 * number + 1) * lines // (2 * points)
        dead, _, promised = child(url, fatal)
        killed += dead
        wrong += [f"killed at line {fatal} of {lines}: {each}" for each in asyncio.run(wrongs(url, promised))]
    sys.stdout.write(json.dumps({"lines": lines, "killed": killed, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
