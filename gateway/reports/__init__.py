"""The reports measure: booked against used, ghosts, and what became of every hour nobody needed.

Pure functions over decisions. By room and over whole hours only; no names, no single bookings.
"""

from gateway.reports.causes import CAUSES, OUTCOMES, Cause, cause_of, cause_words
from gateway.reports.rooms import Report, RoomReport, SeriesReport, rooms_report
from gateway.reports.text import as_csv, as_json, as_table, hours
from gateway.reports.unsettled import as_known, says_kept

__all__ = [
    "CAUSES",
    "OUTCOMES",
    "Cause",
    "Report",
    "RoomReport",
    "SeriesReport",
    "as_csv",
    "as_json",
    "as_known",
    "as_table",
    "cause_of",
    "cause_words",
    "hours",
    "rooms_report",
    "says_kept",
]
