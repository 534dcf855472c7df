"""What an operator does with one engine and with several of them."""
