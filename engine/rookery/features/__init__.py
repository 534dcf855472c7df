"""What `Engine` can do, one module per noun. Each class adds methods and keeps no state of its own."""
