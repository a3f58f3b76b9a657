"""How fast and how small the gateway is, measured: `python -m benchmarks.bench`. See README.md here."""
