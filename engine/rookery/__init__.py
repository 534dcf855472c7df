"""Rookery: keep many messaging sessions alive (the engine; knows no provider and no HTTP)."""
