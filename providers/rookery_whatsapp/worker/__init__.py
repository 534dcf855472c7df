"""The process that hosts neonize: several sessions, no Trio, and nothing that the engine would miss if it crashed.

`rookery_whatsapp.worker.main` runs it; `python -m rookery_whatsapp.worker FD` is what the engine starts, with a socket of
its own as descriptor FD. It imports neonize, the standard library, msgspec and `rookery_whatsapp.protocol`, nothing else.
"""
