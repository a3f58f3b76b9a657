"""Scenarios: a room, a morning and what must come of it, in ten readable lines.

As Python, with `simulators.scenario.gateway.Gateway` (the fixture `gateway` of
`simulators.pytest_plugin`), or as text, in the language of `docs/scenarios.md`:

    # Nobody came: the room is given back ten minutes after the start.
    room orion: radar
    book orion 09:00-10:00 by ana
    09:11 expect orion 09:00 released at 09:10

Both drive the real service in virtual time. Imports point one way:

    errors, devices ← config ← world ← scene ← questions ← gateway
                                                             ↑
                     catalogue → timeline → happenings, expectations → words
"""
