"""TOML as a person would write it: for the configuration files of simulated gateways."""

import json
from collections.abc import Mapping
from typing import Any


def table(name: str, values: Mapping[str, Any]) -> list[str]:
    """The lines of a table; of one in an array of tables where the name itself is in brackets."""
    return [f"[{name}]", *(f"{key} = {literal(value)}" for key, value in values.items())]


def literal(value: Any) -> str:
    """A string, number, boolean, list of these, or inline table of these."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {literal(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)  # all but tables are written alike in JSON and TOML
