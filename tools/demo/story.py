"""The story: a wrong key, the right key, a broken product, its healing. Every step is a command to type."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import outside_system
from demo.processes import DemoError, ask
from demo.screen import Screen
from demo.stage import Stage

TABLE = "kubectl get integrations,productregistrations"
_HEAL_S = 90.0
_POLL_S = 0.1
_LEAST_COLUMN = 9  # as wide as `unhealthy`
_TRY_NEXT = (
    ("What can be connected out of the box", "kubectl get ciprov"),
    ("What an Integration may say", "kubectl explain integration.spec"),
    (
        "Let the hub propose instead of act",
        """kubectl patch prodreg orders --type=merge -p '{"spec":{"heal":{"mode":"Propose"}}}'""",
    ),
    ("Why something is as it is", "kubectl describe productregistration orders"),
)


class Story:
    """Tells it on a stage that stands. Raises DemoError where something does not go as it should."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._cluster = stage.cluster
        self._screen = screen

    def tell(self) -> None:
        """From start to end."""
        self._apply()
        self._wrong_key()
        self._right_key()
        self._call()
        self._break_and_heal()
        self._afterwards()

    def _apply(self) -> None:
        screen = self._screen
        screen.section("1  Say what should be connected")
        screen.say(
            "A team applies YAML, as Argo CD or Flux would: consent that the hub serves its namespace, "
            "a payment provider with a key in a Secret, and a product with its Deployment."
        )
        self._show("kubectl apply -f shop.yaml -f payments.yaml -f orders.yaml")
        self._show(TABLE)
        self._wait_for("kubectl wait --for=condition=Ready productregistration/orders --timeout=60s")

    def _wrong_key(self) -> None:
        screen = self._screen
        screen.section("2  A wrong key becomes a clear condition")
        screen.say(
            "Somebody pasted the publishable key where the secret one belongs. The hub tried it, and says so:"
        )
        refused = "jsonpath='{.status.conditions[?(@.type==\"Ready\")].reason}'=InvalidCredentials"
        self._cluster.run(f"kubectl wait --for={refused} integration/payments --timeout=60s")
        self._show(TABLE)
        message = "jsonpath='{.status.conditions[?(@.type==\"Ready\")].message}'"
        line = f"kubectl get integration payments -o {message}"
        screen.command(line)
        screen.paragraph(self._cluster.run(line))

    def _right_key(self) -> None:
        screen = self._screen
        screen.section("3  The right key")
        screen.say("The Secret is all that changes. Nobody tells the hub.")
        patch = json.dumps({"stringData": {"apiKey": outside_system.RIGHT_KEY}})
        started = time.monotonic()
        self._show(f"kubectl patch secret stripe-key -p '{patch}'")
        self._wait_for("kubectl wait --for=condition=Ready integration/payments --timeout=60s")
        screen.good(f"Connected {time.monotonic() - started:.1f} s after the Secret was patched.")

    def _call(self) -> None:
        screen = self._screen
        screen.section("4  A call by somebody who has no key")
        screen.say(
            "The shop's own service has a ServiceAccount, and no key to anything. The hub knows it by its "
            "token, asks Kubernetes whether it may, adds the key on the way out, and writes down who it was."
        )
        line = "kubectl create token storefront --audience integration-hub"
        screen.command(f"TOKEN=$({line})")
        token = self._cluster.run(line).strip()
        call = {"method": "POST", "endpoint": "/v1/customers", "data": {"email": "ada@example.com"}}
        body = json.dumps(call)
        path = "/api/integration-hub/payments/execute"
        address = f"{self._cluster.hub}{path}"
        screen.command(
            f"curl {address} \\\n"
            '    -H "Authorization: Bearer $TOKEN" \\\n'
            f"    --json '{body}' \\\n"
            "    | jq -c '.result.data | {id, email}'"
        )
        status, answer = ask("POST", self._stage.ports["hub"], path, call, token=token)
        if status != 200:
            raise DemoError(f"{address} answered {status}: {answer}")
        made = json.loads(answer)["result"]["data"]
        screen.output(json.dumps({"id": made["id"], "email": made["email"]}))
        self._show("kubectl hub logs payments --limit 1 --service-account storefront")

    def _break_and_heal(self) -> None:
        screen = self._screen
        screen.section("5  A product breaks, and is healed")
        screen.say(
            "Orders begins to answer 503. Its process lives on, so Kubernetes sees nothing wrong. "
            f"({self._about_the_stand_in()}: a stand-in for the kubelet runs it on this machine and replaces "
            "it when the Deployment's pod template changes.)"
        )
        port = self._stage.ports["orders"]
        screen.command(f"curl -X POST http://127.0.0.1:{port}/break")
        started = time.monotonic()
        screen.output(ask("POST", port, "/break")[1])
        line = "kubectl get productregistration orders --watch"
        screen.command(line)
        took = self._watch_heal(line, started)
        screen.good(f"Healthy again {took:.0f} s after it broke. Nobody was called.")
        self._show("kubectl events --for productregistration/orders")
        restarted = r"jsonpath='{.spec.template.metadata.annotations}'"
        self._show(f"kubectl get deployment orders -o {restarted}")

    def _about_the_stand_in(self) -> str:
        if self._stage.wishes.context:
            return "The pods in your cluster only stand by for the process"
        return "kwok's nodes run no containers, so not the process either"

    def _watch_heal(self, line: str, started: float) -> float:
        """Show what watch and stand-in say until the heal is verified; return the seconds until healthy."""
        deadline = time.monotonic() + _HEAL_S
        seen_ill, healthy_after = False, 0.0
        with self._listening(line) as heard:
            while True:
                try:
                    speak, text = heard.get(timeout=_POLL_S)
                except queue.Empty:
                    if healthy_after and self._healed():
                        return healthy_after
                    if time.monotonic() > deadline:
                        raise DemoError(f"not healed within {_HEAL_S:.0f} s\n{self._why()}") from None
                    continue
                speak(text)
                seen_ill = seen_ill or " unhealthy " in text
                if seen_ill and not healthy_after and " healthy " in text:
                    healthy_after = time.monotonic() - started

    def _healed(self) -> bool:
        heal = self._cluster.read("productregistration/orders").get("status", {}).get("heal", {})
        return any(record["result"] == "succeeded" for record in heal.get("history", ()))

    def _why(self) -> str:
        """What the product's conditions say, for a failure of the demo itself."""
        conditions = self._cluster.read("productregistration/orders")["status"]["conditions"]
        return "\n".join(
            f"{each['type']}={each['status']} {each['reason']}: {each['message']}" for each in conditions
        )

    @contextmanager
    def _listening(self, line: str) -> Iterator[queue.Queue[tuple[Callable[[str], None], str]]]:
        """Lines of the watch and, from now on, of the stand-in's log, each with the way to show it."""
        heard: queue.Queue[tuple[Callable[[str], None], str]] = queue.Queue()
        ended = threading.Event()
        watch = self._cluster.watch(line)

        columns, shown = Columns(), list[str]()

        def row(text: str) -> None:
            if shown[-1:] != [text]:  # a write that changes no column is no news here
                self._screen.output(columns.align(text))
            shown.append(text)

        def aside(text: str) -> None:
            self._screen.aside("kubelet stand-in", text)

        log = self._stage.stand_in_log()
        threads = [
            threading.Thread(target=_hear_process, args=(watch, heard, row), daemon=True),
            threading.Thread(target=_hear_file, args=(log, heard, aside, ended), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield heard
        finally:
            ended.set()
            watch.terminate()
            watch.wait()
            for thread in threads:
                thread.join()

    def _afterwards(self) -> None:
        screen = self._screen
        screen.section("6  Afterwards")
        self._show(TABLE)
        screen.gap()
        if self._stage.wishes.keep:
            screen.say("Everything goes on running. In another terminal:")
            screen.gap()
            screen.output(screen.cyan(f"export KUBECONFIG={self._cluster.kubeconfig}"))
            screen.output(screen.cyan(f"export PATH={self._cluster.kubectl.parent}:$PATH"))
            screen.output(screen.cyan("kubectl get hub"))
            screen.gap()
            screen.say("Stop it with `make demo STOP=1`.")
        else:
            screen.say("Next, with the same stage left standing (`make demo KEEP=1`):")
        screen.gap()
        for text, line in _TRY_NEXT:
            screen.say(f"{screen.dim(text)}\n")
            screen.output(screen.cyan(line))
        screen.gap()
        screen.say("Install it in a cluster of your own: docs/guides/first-light.md")
        screen.gap()

    def _show(self, line: str) -> None:
        self._screen.command(line)
        self._screen.output(self._cluster.run(line))

    def _wait_for(self, line: str) -> None:
        """Run a `kubectl wait`, with a spinner meanwhile."""
        self._screen.command(line)
        with self._screen.wait("waiting") as step:
            step.text = self._cluster.run(line).strip()


class Columns:
    """Keeps the columns of `kubectl get --watch` in line: it pads each line by itself."""

    def __init__(self) -> None:
        self._widths: list[int] = []

    def align(self, line: str) -> str:
        """The line with its cells where those of the lines before are; a line of another shape as it is."""
        cells = re.split(r"\s{2,}", line.strip())
        if not self._widths:
            self._widths = [max(len(cell), _LEAST_COLUMN) for cell in cells]
        if len(cells) != len(self._widths):
            return line
        self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, cells, strict=True)]
        return "   ".join(cell.ljust(width) for cell, width in zip(cells, self._widths, strict=True))


def _hear_process(
    process: subprocess.Popen[str],
    heard: queue.Queue[tuple[Callable[[str], None], str]],
    speak: Callable[[str], None],
) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        heard.put((speak, line))


def _hear_file(
    path: Path,
    heard: queue.Queue[tuple[Callable[[str], None], str]],
    speak: Callable[[str], None],
    ended: threading.Event,
) -> None:
    with path.open() as file:
        file.seek(0, 2)
        while not ended.wait(_POLL_S):
            for line in file:
                heard.put((speak, line.rstrip("\n")))
