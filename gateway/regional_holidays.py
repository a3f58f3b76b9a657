"""Prints the public holidays of a region: `python -m gateway.regional_holidays DE-BE 2026 2027`.

A program of its own that the gateway starts and that ends at once: the library with every country's
calendar takes 13 MB (measured, Germany alone) that the gateway would otherwise hold for years. It imports
nothing else of the gateway.
"""

import sys
from collections.abc import Sequence
from datetime import date

UNKNOWN = 3
"""Exit code: the library does not know the region."""


def regional_holidays(region: str, years: Sequence[int]) -> list[date]:
    """The public holidays of a country ("DE") or a part of it ("DE-BE"), by ISO 3166, in order.

    Raises NotImplementedError for a region that the library does not know.
    """
    import holidays  # noqa: PLC0415 - big, and not needed by whoever only imports this module

    country, _, part = region.partition("-")
    return sorted(holidays.country_holidays(country, subdiv=part or None, years=list(years)))


def main(arguments: Sequence[str]) -> int:
    """Print them, one a line, as ISO 8601 dates; returns the exit code."""
    region, *years = arguments
    try:
        found = regional_holidays(region, [int(year) for year in years])
    except NotImplementedError as error:
        sys.stderr.write(f"{error}\n")
        return UNKNOWN
    sys.stdout.write("".join(f"{day.isoformat()}\n" for day in found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
