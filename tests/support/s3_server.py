"""versitygw, an S3 server nobody here wrote, over a folder: it checks every SigV4 signature."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from child_server import child_server
from servers import locate

ACCESS_KEY, SECRET_KEY = "AKIAHUBTEST00000001", "for-a-test-only/0123456789+abcdefghij"
REGION = "eu-central-1"


@dataclass(frozen=True)
class S3:
    """A running server. Buckets are the folders in `data`, objects the files in them."""

    base: str
    data: Path


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    """Start it, with no bucket."""
    data = folder / "data"
    data.mkdir()

    def command(port: int) -> list[str | Path]:
        return [
            locate("versitygw"), "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", REGION,
            "--port", f"127.0.0.1:{port}", "posix", "--nometa", data,
        ]  # fmt: skip

    with child_server(command, ready="/", folder=folder) as port:
        yield S3(f"http://127.0.0.1:{port}", data)
