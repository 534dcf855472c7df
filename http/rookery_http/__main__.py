"""`python -m rookery_http`."""

from .cli import main

raise SystemExit(main())
