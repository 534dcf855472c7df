"""`rookery demo`: the product on simulated platforms."""
