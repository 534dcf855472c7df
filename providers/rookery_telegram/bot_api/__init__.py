"""The Bot API over HTTP: its calls, its answers, the list of its methods."""
