"""Exchange talks: room calendars are read from, and written to, Microsoft Graph.

`auth` gets tokens, `client` sends requests, `models` understands events, `calendar` reads whole
windows, `writer` carries out one intended write, `hints` says when to look. Only `gateway.core` and
`gateway.clock` are known here; what to do with what was read is decided elsewhere.
"""
