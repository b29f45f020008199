"""The OpenAPI description: stable ids, documented refusals, and nothing that needs Streamlit."""

import subprocess
import sys
from typing import Any

import pytest

from tests.portal.api.api_stand import Stand


@pytest.fixture(params=["/api", "/v1"])
def description(stand: Stand, request: pytest.FixtureRequest) -> Any:
    """The OpenAPI document of one application."""
    return stand.ask("GET", f"{request.param}/openapi.json").json()


def operations(description: Any) -> list[dict[str, Any]]:
    """Every operation of a document."""
    return [operation for path in description["paths"].values() for operation in path.values()]


def test_operations_are_named_once_and_explained(description: Any) -> None:
    ids = [operation["operationId"] for operation in operations(description)]
    assert len(ids) == len(set(ids))
    assert all(name.isidentifier() for name in ids)
    for operation in operations(description):
        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"]
        assert "default" in operation["responses"]


def test_the_description_knows_its_prefix(stand: Stand) -> None:
    for prefix in ("/api", "/v1"):
        assert stand.ask("GET", f"{prefix}/openapi.json").json()["servers"] == [{"url": prefix}]


def test_every_operation_but_public_reading_asks_for_a_token(stand: Stand) -> None:
    for prefix in ("/api", "/v1"):
        for path, methods in stand.ask("GET", f"{prefix}/openapi.json").json()["paths"].items():
            for method, operation in methods.items():
                assert operation["security"] == [{"HTTPBearer": []}], path
                address = prefix + path.replace("{position}", "0").replace("{", "").replace("}", "")
                required = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query" and p["required"]]
                answer = stand.ask(method.upper(), address, params=dict.fromkeys(required, "x"))
                public = path.startswith("/findings") and method == "get"
                if public or path == "/webhooks/key":
                    assert answer.status_code in (200, 404), path
                else:
                    assert answer.status_code == 401, (method, path, answer.text)


def test_the_api_comes_without_streamlit() -> None:
    program = "import sys, portal.api.root; sys.exit('streamlit' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
