"""`python -m rookery_whatsapp.worker FD`."""

import sys

from .host import main

main(int(sys.argv[1]))
