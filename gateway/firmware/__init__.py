"""Ready configurations for the firmware of sensors, fitted to what gateway.toml expects of each.

`gateway.firmware.kinds.KINDS` lists what can be made, one module a family of firmware. Everything is pure:
the same plan gives the same text. What each publishes, so that a lost message is noticed, stands in
firmware-config/README.md.
"""
