"""Whole clusters in one deterministic simulation: see `docs/simulation.md`."""
