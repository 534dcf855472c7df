"""What the benchmarks have in common: the simulator and the clients as processes, tables, results, charts."""
