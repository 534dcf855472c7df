"""For operators: doctor, metrics, readiness, logs, and tasks that are stuck."""
