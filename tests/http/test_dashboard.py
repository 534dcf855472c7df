"""The page as files: complete, open to everyone, and with nothing in it that could run or load foreign code."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from posixpath import dirname, normpath
from typing import Any

import pytest

from rookery_http.dashboard import FILES, PAGES

PAGE = FILES["/"].data.decode()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        self.inline += [name for name in fields if name.startswith("on") or name == "style"]
        if tag in ("script", "link", "img", "iframe"):
            self.loaded.append(fields.get("src") or fields.get("href") or "")
        self._script = tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.inline.append(data)


@pytest.mark.parametrize("path", PAGES)
async def test_the_page_is_open_and_its_policy_strict(serve: Any, path: Any) -> None:
    async with serve(key="sesame") as served:
        answer = await served.client.get(path, headers={"Authorization": ""})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await served.client.get(path, headers={"If-None-Match": answer.headers["etag"]})).status_code == 304
        assert (await served.client.head(path)).status_code == 200
        assert (await served.client.post(path)).status_code == 405


async def test_everything_that_it_loads_is_there(served: Any) -> None:
    page = _Page()
    page.feed(PAGE)
    assert page.inline == []
    assert page.loaded
    for target in page.loaded:
        answer = await served.client.get(f"/{target}")
        assert answer.status_code == 200, target
    for path, file in FILES.items():
        for imported in re.findall(r'(?:from|import) ?\(?"([^"]+)"', file.data.decode()):
            assert imported.endswith(".js"), f"{path} imports {imported}"
            assert normpath(f"{dirname(path)}/{imported}") in FILES, f"{path} imports {imported}"


def test_the_first_view_is_asked_for_at_once() -> None:
    preloads = re.findall(r'<link rel="modulepreload" href="([^"]+)"', PAGE)
    assert "dashboard/overview/overview.js" in preloads
    assert "dashboard/base/dom.js" in preloads
    assert not any("sessions" in one for one in preloads), "loaded when it is shown"
    assert PAGE.count('rel="stylesheet"') == 1


async def test_it_is_small_and_sent_packed(served: Any) -> None:
    answer = await served.client.get("/dashboard/main.js", headers={"Accept-Encoding": "gzip"})
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert answer.content == FILES["/dashboard/main.js"].data
    plain = await served.client.get("/dashboard/main.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content
    assert sum(len(file.packed) for path, file in FILES.items() if path != "/dashboard") < 150_000


def test_nothing_from_elsewhere_and_nothing_that_makes_text_into_elements() -> None:
    for path, file in FILES.items():
        text = file.data.decode().replace("there is no innerHTML anywhere", "")
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert forbidden not in text, f"{path}: {forbidden}"
        addresses = re.findall(r"https?://[^\s\"'`]+", text)
        assert all(one.startswith(("http://www.w3.org/", "https://example.org/")) for one in addresses), (
            path,
            addresses,
        )


@pytest.mark.parametrize(
    "path", ["/dashboard/", "/dashboard/nothing.js", "/dashboard/../app.py", "/dashboard/__init__.py"]
)
async def test_nothing_else_is_served(served: Any, path: Any) -> None:
    assert (await served.client.get(path)).status_code == 404
