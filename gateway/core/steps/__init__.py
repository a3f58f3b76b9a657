"""The steps of one tick in one room, in the order in which `gateway.core.conclude` takes them.

Each is a few functions over a `Conclusion`; later steps see what earlier ones did. Imports between them go
one way, down this list: people, outcomes, calendar, then attendance, booking_rules, releases, walk_ups and
watching, then ending, then conclusion.
"""
