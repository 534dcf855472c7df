"""What a messaging platform implements, and helpers for writing one."""
