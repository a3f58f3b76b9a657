"""Payload families understand: pure functions from (topic, payload) to readings, one file each."""
