"""All commands. Each is loaded when it runs, and imports what it needs then, so that small commands stay quick."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from ..exits import guarded
from ..left_out import HELP, left_out
from .client import ClientError
from .output import printable

MODULES = {
    "sessions": "sessions",
    "messages": "messages",
    "webhooks": "webhooks",
    "sinks": "sinks",
    "media": "media",
    "keys": "keys",
    "whatsapp": "platforms.whatsapp",
    "audit": "keys",
    "doctor": "server",
    "settings": "server",
    "chats": "chats",
    "events": "events",
    "event-types": "events",
    "send": "messages",
    "call": "platforms.platform_methods",
    "instances": "instances",
    "drain": "instances",
    "health": "operations",
    "overview": "operations",
    "check": "operations",
    "memory": "operations",
    "recover": "operations",
    "clean": "operations",
    "tasks": "operations",
    "logs": "server",
    "metrics": "operations",
}
"""Where each command is, in the order of the help. A command loads only its own module."""
GROUPS = frozenset({"sessions", "messages", "webhooks", "sinks", "media", "keys", "whatsapp"})

app = typer.Typer(
    name="rookery",
    help="Keep Telegram bots and WhatsApp accounts connected.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


OWN = frozenset({"--version", "demo", "healthcheck", "openapi", "serve"})
"""What this module answers itself."""


@cache
def _add(name: str) -> None:
    module = importlib.import_module(f"..{MODULES[name]}", __name__)
    if name in GROUPS:
        app.add_typer(module.app, name=name)
    else:
        app.command(name)(getattr(module, name.replace("-", "_")))


def add_all() -> typer.Typer:
    """The application with all commands."""
    for name in MODULES:
        _add(name)
    return app


def run(arguments: list[str]) -> int:
    """Exit codes: 0 done, 1 failed or refused, 2 wrong arguments or settings, 3 no server answers, 130 interrupted.

    A reader that closes the output early (`rookery events | head -1`) does not count as a failure.
    """
    return guarded(lambda: _run(arguments))


def _run(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in MODULES:
        _add(first)
    elif first not in OWN:
        add_all()  # for the help, and to name a command that is similar
    if not arguments or not {"-h", "--help"}.isdisjoint(arguments):
        with left_out(required=HELP):
            importlib.import_module("typer.rich_utils")
    try:
        result = app(arguments, prog_name="rookery", standalone_mode=False)
    except ClientError as error:
        sys.stdout.flush()
        sys.stderr.write(f"rookery: {printable(error)}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except typer.Exit as error:
        return error.exit_code
    except typer.Abort:
        return 130
    except OSError:
        raise
    except Exception as error:
        message = getattr(error, "format_message", None)  # a usage error of the argument library
        if message is None:
            raise
        if not message():
            return 2  # no command was given: the help was shown
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        sys.stderr.write(f"rookery: {printable(message())}{hint}\n")
        return 2
    return result if isinstance(result, int) else 0


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # with its parsers of mail, it takes a tenth of a command's time

        sys.stdout.write(f"rookery {version('rookery')}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Keep Telegram bots and WhatsApp accounts connected."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address of the API (ROOKERY_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API, 0 for a free one (ROOKERY_PORT).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where SQLite keeps its files (ROOKERY_DATA_DIR).")] = None,
    wait: Annotated[
        float | None,
        typer.Option(help="Seconds to wait for another process to leave the data directory; 60 without a number."),
    ] = None,
) -> int:
    """Run the server until SIGTERM or Ctrl+C."""
    from ..start import start

    return start(host, port, data_dir, wait)


@app.command()
def demo(
    seconds: Annotated[float | None, typer.Option(help="End after this time; otherwise with Ctrl+C.", min=3)] = None,
    port: Annotated[int, typer.Option(help="Port of the API, 0 for a free one.", min=0, max=65_535)] = 0,
) -> int:
    """Show how it works, with bots on a built-in simulator; no account is needed."""
    from ..demo.demo import run_demo

    return run_demo(seconds, port)


@app.command()
def openapi(
    html: Annotated[bool, typer.Option("--html", help="Print the page for people instead, as /docs shows it.")] = False,
    streams: Annotated[
        bool, typer.Option("--async", help="Print the AsyncAPI description of streams and webhooks.")
    ] = False,
) -> None:
    """Print the OpenAPI description of the API."""
    import msgspec

    from ..compose import platform_inputs
    from ..description.asyncapi import describe_streams
    from ..description.openapi import describe
    from ..output.docs_page import page

    description = describe_streams(platform_inputs()) if streams else describe(platform_inputs())
    text = page(description) if html else msgspec.json.format(msgspec.json.encode(description)).decode()
    sys.stdout.write(text + "\n")


@app.command()
def healthcheck() -> int:
    """Exit with 0 when the server of this machine answers, for a container's HEALTHCHECK."""
    from ..operate.healthcheck import check

    return check()
