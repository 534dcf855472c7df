"""Simulators of the platforms, speaking the real wire protocols, for tests, demos and CI."""
