"""Messages to calls, at the pace that the platform allows."""
