"""The moving parts of a running gateway, each with one job; `gateway.service` wires them together.

brain      every fact passes here: core, journal, group commit, acknowledgement
intake     messages from a link become facts
sync       calendars become facts
dispatch   committed decisions become writes to Exchange, and their outcomes facts
announce   what is known goes out on MQTT
health     how the gateway itself is
home_assistant   what discovery says of rooms and gateway
control    people's commands come in on a local socket
picture    the site as people see it, for all who show it
"""
