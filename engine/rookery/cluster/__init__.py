"""Several engines on one store: who is alive, who runs how many sessions, and calls between them."""
