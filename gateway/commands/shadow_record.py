"""`shadow-record`: what each room would have released in shadow, and whether it may go live."""

from collections.abc import Iterable

from gateway.commands.base import (
    CONFIG,
    ConfigOption,
    JsonOption,
    Office,
    RoomOption,
    present,
    print_json,
)
from gateway.commands.moments import SinceOption, UntilOption, parse_period
from gateway.core.decisions import Decision
from gateway.core.policy import RoomConfig, whole_rooms
from gateway.core.room import RoomState
from gateway.core.site import Site
from gateway.ledger import LedgerReader
from gateway.prospects import prospect
from gateway.reports.shadow_record import KINDS, Bar, RoomRecord, shadow_records, verdict
from gateway.shown.paint import console
from gateway.shown.progress import busy
from gateway.shown.shadow_record import Standing, paint_record, paint_records, record_json


def shadow_record(
    config: ConfigOption = CONFIG,
    *,
    room: RoomOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    json: JsonOption = False,
) -> None:
    """Tell how the releases of shadow would have gone.

    For each room: how many were judged, in how many somebody came soon afterwards (then it would have been
    wrong), between which shares the truth lies with 95 % confidence, the hours that would have been given
    back, and what is missing until the room goes live by its policy's bar (live_after,
    live_if_wrong_at_most). Below stand the releases that somebody should look at; `explain` tells all of
    one. With --room also every single release. Without --since it is all that the ledger has.

    Examples:
      occupancy-gateway shadow-record
      occupancy-gateway shadow-record --room orion --since 30d
    """
    office = Office(config)
    start, end = parse_period(since, until, present(), office.zone)
    whole = not (since or until)
    with office.ledger() as reader:
        rooms = [office.room(room, reader)] if room else [own.id for own in office.settings.rooms]
        with busy("Reading the ledger"):
            records = shadow_records(_decisions(reader, room), start, end)
        site = reader.site()
        standings = [
            _standing(office, site, name, records.get(name, RoomRecord(name)), whole=whole) for name in rooms
        ]
        office.note_if_stale(reader)
    if json:
        print_json({"rooms": [record_json(one, office.times) for one in standings]})
    elif room:
        paint_record(console(), standings[0], office.times)
    else:
        paint_records(console(), standings, office.times)


def _decisions(reader: LedgerReader, room: str) -> Iterable[Decision]:
    """Of one room those are few; of all rooms they are taken one by one."""
    if room:
        return reader.decisions(room=room)
    return (decision for _, _, decision in reader.decisions_after(0, KINDS))


def _standing(office: Office, site: Site, name: str, record: RoomRecord, *, whole: bool) -> Standing:
    """Its bar as the core has it; of a room that the gateway has not met yet as it is configured."""
    known = site.rooms.get(name)
    configured = {one.id: one for one in whole_rooms(office.settings.site_config())}.get(name)
    state = known.state if known is not None else RoomState(configured or RoomConfig(name))
    if known is None and configured is not None:
        state.mode = configured.mode
    policy = state.config.policy
    bar = Bar(policy.live_after, policy.live_if_wrong_at_most, state.record.judged, state.record.wrong)
    hopes = prospect(state.config)
    judged = verdict(
        bar, state.mode, exempt=state.config.exempt, can_prove=hopes.can_prove, held=state.held_in_shadow
    )
    return Standing(
        record,
        office.names.get(name, name),
        state.mode if configured is not None else "former",
        policy.name,
        bar,
        judged if configured is not None else "former",
        "" if hopes.can_prove or configured is None else hopes.why,
        office.settings.ledger.keep,
        whole,
    )
