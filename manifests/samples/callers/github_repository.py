"""Register GitHub with tokens of your own, try the connection, and call it.

    export GITHUB_ACCESS_TOKEN=… GITHUB_REFRESH_TOKEN=…
    python github_repository.py

The tokens go to the hub once, which seals them; whoever calls later needs none.
"""

import os

from hub import ask

made = ask(
    "POST",
    "/api/integration-hub/register",
    {
        "projectId": os.environ.get("PROJECT", "project-123"),
        "name": "GitHub Repository",
        "type": "version-control",
        "provider": "github",
        "configuration": {
            "enabled": True,
            "autoSync": True,
            "syncInterval": 30,
            "apiEndpoint": os.environ.get("GITHUB_API_URL", "https://api.github.com"),
            "retryAttempts": 3,
            "timeout": 30000,
        },
        "credentials": {
            "type": "oauth",
            "accessToken": os.environ["GITHUB_ACCESS_TOKEN"],
            "refreshToken": os.environ["GITHUB_REFRESH_TOKEN"],
        },
    },
)["integration"]
print("GitHub integration registered:", made["id"])

tried = ask("POST", f"/api/integration-hub/{made['id']}/test")
print("Connection health:", tried["health"]["status"])

call = {"method": "GET", "endpoint": "/repos/owner/repo/issues", "data": {"state": "open"}}
issues = ask("POST", f"/api/integration-hub/{made['id']}/execute", call)
print("Open issues:", issues["result"]["data"])
