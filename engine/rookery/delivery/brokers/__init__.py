"""Transports to message brokers: NATS JetStream, AMQP 0-9-1, Redis Streams. Each is imported when a sink needs it."""
