"""The process that hosts neonize: several sessions, no Trio, and no state that the engine would lose in a crash.

`rookery_whatsapp.worker.main` runs it; `python -m rookery_whatsapp.worker FD` is what the engine starts; descriptor FD
is a socket to the engine. It imports neonize, the standard library, msgspec and `rookery_whatsapp.protocol`, nothing
else.
"""
