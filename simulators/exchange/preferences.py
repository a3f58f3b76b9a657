"""The `Prefer` header: what of it is understood, and how it is told that it was applied."""

from functools import lru_cache
from typing import Final, Literal, NamedTuple

from simulators.exchange.errors import InvalidRequest
from simulators.exchange.times import zone


class Preferences(NamedTuple):
    """What a client prefers. `page`: items on a page, None where it did not say."""

    zone_name: str = "UTC"
    immutable: bool = False
    page: int | None = None
    body_type: Literal["html", "text"] = "html"
    applied: str = ""


_PLAIN: Final = Preferences()


@lru_cache(maxsize=1_024)
def preferences_of(header: str) -> Preferences:
    """The preferences in a header; what is not understood is ignored and not echoed (RFC 7240).

    Raises `InvalidRequest` for a time zone that is not known and a page that is no size.
    """
    found, applied = _PLAIN, []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        value = value.strip('" ')
        match name.strip().lower():
            case "outlook.timezone":
                zone(value)
                found = found._replace(zone_name=value)
            case "idtype":
                found = found._replace(immutable=value.lower() == "immutableid")
            case "odata.maxpagesize" | "maxpagesize":
                if not value.isdecimal() or int(value) < 1:
                    raise InvalidRequest("The odata.maxpagesize preference is not valid.", "BadRequest")
                found = found._replace(page=int(value))
            case "outlook.body-content-type" if value.lower() in ("html", "text"):
                found = found._replace(body_type="text" if value.lower() == "text" else "html")
            case _:
                continue
        applied.append(part.strip())
    return found._replace(applied=", ".join(applied))
