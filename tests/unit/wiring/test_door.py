from __future__ import annotations

from integration_hub.gateway.parts import GatewayLimits
from integration_hub.settings import Settings
from integration_hub.wiring.door import gateway_limits


def test_the_doors_limits_are_those_of_the_settings() -> None:
    given = Settings(
        caller_requests_per_second=2.5,
        caller_burst=7,
        gateway_max_body_bytes=2000,
        gateway_max_stream_bytes=3000,
        gateway_read_seconds=4,
    )
    assert gateway_limits(given) == GatewayLimits(
        caller_rate=2.5, caller_burst=7, body_bytes=2000, stream_bytes=3000, body_idle_seconds=4
    )
