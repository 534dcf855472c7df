"""What only some platforms have beside messages."""
