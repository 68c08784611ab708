"""How fast and how small: ``python -m benchmarks``; writes the tables of docs/performance.md."""
