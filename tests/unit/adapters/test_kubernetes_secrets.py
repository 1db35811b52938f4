"""Reading a Secret: three outcomes that a user can act on, and no value where it could be printed."""

from __future__ import annotations

import pytest

from integration_hub.adapters.kubernetes import KubernetesSecrets
from integration_hub.ports import SECRETS, ApiError, SecretState, SecretText
from memory_cluster import MemoryCluster


async def test_values_are_decoded_and_bytes_that_are_no_text_are_named() -> None:
    cluster = MemoryCluster()
    cluster.put(
        SECRETS,
        "team",
        "token",
        data={"api-key": "aHVudGVyMg==", "binary": "/////w==", "empty": "", "odd": "%"},
    )
    read = await KubernetesSecrets(cluster).read("team", "token")
    assert read.state is SecretState.FOUND
    assert read.data == {"api-key": SecretText("hunter2"), "empty": SecretText("")}
    assert read.undecodable == ("binary", "odd")
    assert read.resource_version == "1"
    assert "hunter2" not in repr(read)


async def test_a_secret_without_data_is_found_and_empty() -> None:
    cluster = MemoryCluster()
    cluster.put(SECRETS, "team", "token")
    assert (await KubernetesSecrets(cluster).read("team", "token")).data == {}


@pytest.mark.parametrize(
    ("error", "state"),
    [
        pytest.param(None, SecretState.MISSING, id="absent"),
        pytest.param(
            ApiError(400, "BadRequest", "'../x' is no valid name"), SecretState.MISSING, id="no name"
        ),
        pytest.param(ApiError(403, "Forbidden", "secrets is forbidden"), SecretState.DENIED, id="not served"),
    ],
)
async def test_what_a_user_can_mend_is_a_state(error: ApiError | None, state: SecretState) -> None:
    cluster = MemoryCluster()
    cluster.trouble = lambda *_: error
    assert (await KubernetesSecrets(cluster).read("team", "token")).state is state


async def test_an_api_server_that_cannot_be_asked_is_an_error() -> None:
    cluster = MemoryCluster()
    cluster.trouble = lambda *_: ApiError(503, "ServiceUnavailable", "etcd")
    with pytest.raises(ApiError):
        await KubernetesSecrets(cluster).read("team", "token")
