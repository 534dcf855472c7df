"""Turns a client's reports into events of the log and notices about its connection."""
