"""Everything that is kept: the contract, its two implementations, rows and migrations."""
