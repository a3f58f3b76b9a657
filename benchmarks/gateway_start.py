"""Starts the measured gateway's process with the imports that `occupancy-gateway run` has."""

from gateway.cli import lean_imports


def main() -> None:
    """Load it lean, then follow the order in the first argument."""
    with lean_imports():
        from benchmarks.gateway_process import main as follow  # noqa: PLC0415 - only now
    follow()


if __name__ == "__main__":
    main()
