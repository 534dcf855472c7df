"""Real brokers for tests, and what arrived in them."""
