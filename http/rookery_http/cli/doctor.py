"""`rookery doctor`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of lines.")] = False,
    stop_grace: Annotated[
        float | None, typer.Option(help="Seconds that the container gives between SIGTERM and SIGKILL.", min=0)
    ] = None,
) -> int:
    """Look at settings, database, key, network, limits and clock, and say what to do.

    Reads only, also beside a running server. Exit codes: 0 when it can work, also with warnings; 1 when it cannot.
    """
    from functools import partial

    import msgspec
    import trio

    from ..compose import providers
    from ..operate.doctor import examine
    from ..operate.finding import worst

    findings = trio.run(partial(examine, os.environ, providers, stop_grace=stop_grace))
    verdict = worst(findings)
    if json:
        document = {"verdict": verdict, "findings": findings}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
    else:
        for finding in findings:
            sys.stdout.write(f"{finding.level:<8} {finding.subject}: {finding.detail}\n")
            if finding.advice:
                sys.stdout.write(f"{'':<8} -> {finding.advice}\n")
    return 1 if verdict == "error" else 0
