"""The few pages for people: HTML that needs no script, loads nothing, and is framed by nobody."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from starlette.responses import HTMLResponse


class Pages:
    """Renders the templates of this folder; every value is escaped."""

    def __init__(self) -> None:
        folder = resources.files(__package__)
        self._style = (folder / "style.css").read_text()
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self' https:; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        self._templates = Environment(
            loader=FunctionLoader(lambda name: (folder / name).read_text()),
            autoescape=True,
            undefined=StrictUndefined,
        )

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page. Its form may lead to the vendor (https), since browsers count redirects as well."""
        html = self._templates.get_template(template).render(style=self._style, **values)
        return HTMLResponse(html, status_code=status, headers={"Content-Security-Policy": self._policy})
