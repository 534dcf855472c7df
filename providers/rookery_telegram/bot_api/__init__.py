"""The Bot API over HTTP: calls, answers, and the list of methods."""
