"""The process around a `Hub`: its log, its signals, its exit status."""

from __future__ import annotations

import asyncio
import signal
import sys

from integration_hub.adapters.kubernetes import LoginError
from integration_hub.logs import configure
from integration_hub.ports import StoreError
from integration_hub.runtime import garbage
from integration_hub.settings import Settings
from integration_hub.wiring.hub import Hub
from integration_hub.wiring.way_out import SettingsError


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    configure(level=settings.log_level, form=settings.log_format)
    try:
        return asyncio.run(_serve(settings))
    except (LoginError, SettingsError, StoreError) as error:
        sys.stderr.write(f"integration-hub: {error}\n")
        return 1


async def _serve(settings: Settings) -> int:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hub = await Hub.build(settings)
    garbage.settle()
    return await hub.run(stop)
