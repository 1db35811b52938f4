"""The hub, as a service asks it: its address in HUB_URL, this service's own token in INTEGRATION_HUB_TOKEN.

A token is made by `kubectl create token NAME --audience integration-hub`, or mounted into a pod as a
projected ServiceAccount token of that audience.
"""

import json
import os
import urllib.error
import urllib.request

URL = os.environ.get("HUB_URL", "http://enterprise-hub:8000")


def ask(method, path, body=None, tenant=""):
    """Ask the hub; its decoded answer. `tenant` names another namespace than the token's own."""
    headers = {
        "Authorization": f"Bearer {os.environ['INTEGRATION_HUB_TOKEN']}",
        "Content-Type": "application/json",
        **({"X-Tenant": tenant} if tenant else {}),
    }
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from None
