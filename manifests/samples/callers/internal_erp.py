"""Make a custom integration in one project, deploy it to another with a key of your own, and call it by name.

    export ERP_API_KEY=…
    python internal_erp.py
"""

import os

from hub import ask

PROJECT = os.environ.get("PROJECT", "project-123")
TARGET = os.environ.get("TARGET", "project-456")

custom = ask(
    "POST",
    "/api/integration-hub/custom/create",
    {
        "projectId": PROJECT,
        "name": "Internal ERP System",
        "description": "Integration with company ERP for project data sync",
        "template": {
            "name": "ERP Integration",
            "description": "Company ERP system integration",
            "type": "custom",
            "configurationSchema": {
                "erpEndpoint": {"type": "string", "required": True, "description": "ERP API endpoint"},
                "department": {"type": "string", "required": True, "description": "Department code"},
            },
            "credentialsSchema": {
                "apiKey": {"type": "string", "required": True, "description": "ERP API key"},
            },
            "endpoints": [
                {
                    "name": "Get Projects",
                    "method": "GET",
                    "path": "/api/projects",
                    "description": "Retrieve projects from ERP",
                    "parameters": [
                        {
                            "name": "department",
                            "type": "string",
                            "required": True,
                            "description": "Department filter",
                        },
                    ],
                },
                {
                    "name": "Sync Project Data",
                    "method": "POST",
                    "path": "/api/projects/sync",
                    "description": "Sync project data to ERP",
                    "requestBody": {"projectId": "string", "data": "object"},
                },
            ],
        },
    },
)["customIntegration"]
print("Custom integration created:", custom["id"])

deployed = ask(
    "POST",
    f"/api/integration-hub/custom/{custom['id']}/deploy",
    {
        "projectId": TARGET,
        "configuration": {
            "enabled": True,
            "erpEndpoint": os.environ.get("ERP_ENDPOINT", "https://erp.company.com/api"),
            "department": "ENGINEERING",
        },
        "credentials": {"type": "api-key", "apiKey": os.environ["ERP_API_KEY"]},
    },
    tenant=PROJECT,
)["deployment"]
print("Custom integration deployed:", deployed["id"])

call = {"endpoint": "Get Projects", "data": {"department": "ENGINEERING"}}
answer = ask("POST", f"/api/integration-hub/{deployed['id']}/execute", call, tenant=TARGET)
print("Projects:", answer["result"]["data"])
