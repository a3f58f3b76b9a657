"""How fast and how small the gateway is, measured. `python -m benchmarks.bench`; see README.md beside this."""
