"""Third-party servers, one of each for a run. A missing one fails: nothing here is skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api_mocks import github_api, stripe_mock
from gitea_server import Gitea, gitea_server
from keycloak_server import Keycloak, keycloak_server
from s3_server import s3_server


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    with keycloak_server(tmp_path_factory.mktemp("keycloak")) as server:
        yield server


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with gitea_server(tmp_path_factory.mktemp("gitea")) as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as base:
        yield base


@pytest.fixture(scope="session")
def stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stripe_mock(tmp_path_factory.mktemp("stripe")) as base:
        yield base


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with github_api(tmp_path_factory.mktemp("github")) as base:
        yield base
