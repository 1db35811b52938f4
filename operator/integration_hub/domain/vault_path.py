"""Which path of Vault belongs to which namespace: decided on the text alone, before anything is asked.

The administrator's template keeps tenants apart. A tenant's own part of it comes last and below their
namespace's segment, and no spelling of a path climbs out of that: dots, escapes and empty segments are
refused, not repaired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_TEMPLATE = "{namespace}/{path}"
MAX_LENGTH = 512
_NAMESPACE, _PATH = "{namespace}", "{path}"
_SEGMENT = re.compile(r"\.*[A-Za-z0-9_@-][A-Za-z0-9_.@-]*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class PathProblem:
    """Why there is no such path; fit for a person."""

    message: str


@dataclass(frozen=True, slots=True)
class VaultPaths:
    """A template that was checked, such as `teams/{namespace}/integrations/{path}`."""

    template: str

    @classmethod
    def parse(cls, template: str) -> VaultPaths | PathProblem:
        """`{namespace}` is a segment of its own, before `{path}`, which is the last one.

        Were it only part of one, namespace `a` could write `b-c` and mean what belongs to `a-b`.
        """
        *before, last = template.split("/")
        fixed = [each for each in before if each != _NAMESPACE]
        if last != _PATH or before.count(_NAMESPACE) != 1 or not all(map(_SEGMENT.fullmatch, fixed)):
            return PathProblem(
                f"{template!r} must have {_NAMESPACE} as a segment of its own and end with /{_PATH}, as in "
                f"{DEFAULT_TEMPLATE} or teams/{DEFAULT_TEMPLATE}"
            )
        return cls(template)

    def of(self, namespace: str, path: str) -> str | PathProblem:
        """The full path, below the mount, of what a namespace calls `path`."""
        if not _LABEL.fullmatch(namespace):
            return PathProblem("the namespace has no usable name")
        if len(path) > MAX_LENGTH or not all(map(_SEGMENT.fullmatch, path.split("/"))):
            return PathProblem(
                "spec.credentials.vaultRef.path must be names joined by single slashes, of letters, digits "
                "and - _ . @, without `.` or `..` among them"
            )
        return self.template.replace(_NAMESPACE, namespace).replace(_PATH, path)
