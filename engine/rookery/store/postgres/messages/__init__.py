"""The SQL of messages: the queue, outcomes, and messages that wait."""
