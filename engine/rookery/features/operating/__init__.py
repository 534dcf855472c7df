"""What an operator does with a whole engine and with several of them."""
