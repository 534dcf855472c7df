"""The process that hosts neonize for several sessions, without Trio. A crash loses no state that the engine needs.

The engine starts it as `python -m rookery_whatsapp.worker FD`, which calls `worker.host.main`; the descriptor FD
is a socket to the engine. It imports neonize, the standard library, msgspec and `rookery_whatsapp.protocol`, nothing
else.
"""
