"""Converts database rows to our nouns and back, the same for every kind of database.

Rows are sequences in the order of the column lists here.
"""
