"""Exchange talks: room calendars are read from, and written to, Microsoft Graph.

`auth` gets tokens, `client` sends requests, `models` understands events, `calendar` reads whole
windows, `writer` carries out one intended write, `hints` says when to look. Only `gateway.core` and
`gateway.clock` are known here; what to do with what was read is decided elsewhere.
"""

import sys

# httpx imports its command line program, and with it rich, click and pygments, wherever they happen
# to be installed: 5.5 MB and a tenth of a second that a service has no use for. None in sys.modules
# makes that import fail the way httpx expects where they are missing.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # documented, but not in the stubs
