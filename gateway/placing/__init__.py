"""Finding sensors, giving them to rooms, and trying whether they see people.

`taken` says what a new configuration changes and what of it can be taken over at run time, `heard` what is
heard of sensors that no room has, `similar` which room a name sounds like, `walk` what a walk through a
room showed of its sensors. All of it is pure.
"""
