"""Helpers of the tests: platforms, servers and processes that tests start."""
