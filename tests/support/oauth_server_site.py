# ruff: noqa: PLC0415 - Django's modules can be imported once it is configured
"""Django OAuth Toolkit as a server of its own: `python oauth_server_site.py PORT FOLDER`.

The toolkit is as it comes, with its strict settings on: PKCE required, refresh tokens rotated, a reused one
ends its family. What is ours is who is signed in (the header X-Remote-User, so that a test needs no
browser), and the clients, made at start.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

CLIENTS = {
    "hub": ("hub-secret", "confidential", "authorization-code"),
    "machine": ("machine-secret", "confidential", "client-credentials"),
}


def configure(folder: Path) -> None:
    from django.conf import settings

    settings.configure(
        DEBUG=False,
        SECRET_KEY="only for tests",
        ALLOWED_HOSTS=["127.0.0.1", "auth.test"],
        ROOT_URLCONF="oauth_server_site",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "oauth.sqlite3",
                "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "oauth_server_site.SignedIn",
        ],
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        USE_TZ=True,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # dear ones prove nothing here
        OAUTH2_PROVIDER={
            "SCOPES": {"read": "Read", "write": "Write"},
            "PKCE_REQUIRED": True,
            "ROTATE_REFRESH_TOKEN": True,
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
            "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
            "DCR_ENABLED": True,
            "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
            "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
            "AUTHENTICATION_SERVER_EXP_TIME_ZONE": "UTC",
        },
    )


class SignedIn:
    """Django's own middleware for a proxy that signs people in, told which header."""

    def __new__(cls, get_response: Any) -> Any:
        from django.contrib.auth.middleware import RemoteUserMiddleware

        class Header(RemoteUserMiddleware):  # type: ignore[misc]
            header = "HTTP_X_REMOTE_USER"

        return Header(get_response)


def __getattr__(name: str) -> Any:
    """`urlpatterns`, made when Django asks for them."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.http import HttpRequest, JsonResponse
    from django.urls import include, path
    from oauth2_provider.decorators import protected_resource

    @protected_resource(scopes=["read"])  # type: ignore[untyped-decorator]
    def me(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"id": 7, "login": str(getattr(request, "resource_owner", ""))})

    return [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")), path("api/me", me)]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


def main(port: int, folder: Path, redirect_uri: str) -> None:
    # The one module under its own name, whichever way it was started.
    sys.modules["oauth_server_site"] = sys.modules["__main__"]
    configure(folder)
    import django
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from oauth2_provider.models import Application

    alice, _ = User.objects.get_or_create(username="alice")
    for client_id, (secret, kind, grant) in CLIENTS.items():
        Application.objects.update_or_create(
            client_id=client_id,
            defaults={
                "user": alice,
                "client_secret": secret,
                "client_type": kind,
                "authorization_grant_type": grant,
                "redirect_uris": redirect_uri,
                "skip_authorization": True,
                "name": client_id,
            },
        )
    make_server("127.0.0.1", port, get_wsgi_application(), _Server, _Quiet).serve_forever()


if __name__ == "__main__":
    os.umask(0o077)
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
