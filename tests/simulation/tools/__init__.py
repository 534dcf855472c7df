"""Many lives, planted faults, shorter failures, tables."""
