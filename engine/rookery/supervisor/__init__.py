"""Which sessions run in this engine: claims, leases, starts and stops."""
