"""A transport that answers each call of the API with an example of its description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs

from rookery_http.compose import platform_inputs
from rookery_http.description.openapi import describe

DESCRIPTION = json.loads(json.dumps(describe(platform_inputs())))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def check(schema: dict[str, Any], value: Any) -> None:
    jsonschema_rs.Draft202012Validator(schema | {"components": DESCRIPTION["components"]}).validate(value)


class Answering(httpx.BaseTransport):
    """A server that only knows the description. `calls` are the ids of the operations that were asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.told: set[tuple[str, str]] = set()  # operation, and a parameter or field that was sent
        self.status: int | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        operation = self._operation(request)
        self.calls.append(operation["operationId"])
        self._check_query(request, operation)
        content = request.read()
        if operation["operationId"] == "upload_media":
            assert content == Path("pyproject.toml").read_bytes()
            assert request.headers["content-type"] == "text/plain"
        elif content:
            check(operation["requestBody"]["content"]["application/json"]["schema"], json.loads(content))
            self.told |= {(operation["operationId"], name) for name in json.loads(content)}
        else:
            assert not operation.get("requestBody", {}).get("required"), "a body is missing"
        status, answer = next((status, answer) for status, answer in operation["responses"].items() if status < "300")
        wanted = request.headers["accept"]
        media_type = wanted if wanted in answer["content"] else next(iter(answer["content"]))
        example = answer["content"][media_type]["example"]
        if isinstance(example, dict) and example.get("next") is not None:
            example = example | {"next": None}
        text = example if isinstance(example, str) else json.dumps(example)
        return httpx.Response(int(status), text=text, headers={"content-type": media_type})

    def _operation(self, request: httpx.Request) -> dict[str, Any]:
        fitting = [
            (path, operation)
            for method, path, operation in operations()
            if method == request.method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), request.url.path)
        ]
        assert fitting, f"there is no {request.method} {request.url.path}"
        return min(fitting, key=lambda item: item[0].count("{"))[1]

    def _check_query(self, request: httpx.Request, operation: dict[str, Any]) -> None:
        known = {item["name"]: item["schema"] for item in operation.get("parameters", ()) if item["in"] == "query"}
        for name, text in request.url.params.items():
            assert name in known, f"{operation['operationId']} takes no {name}"
            self.told.add((operation["operationId"], name))
            schema = known[name]
            value = json.loads(text) if schema.get("type") in ("integer", "number", "boolean") else text
            check(schema, value)
