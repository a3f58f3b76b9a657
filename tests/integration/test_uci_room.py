"""Draft"""

import asyncio, time, sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
import httpx
from harness import CONFIGURATION, InProcessTokens
from lockstep import *
from gateway.core.units import *
from gateway.ledger import LedgerReader
from gateway.service import Service, Surroundings, _link_settings
from gateway.settings import parse
from simulators.broker import EmbeddedBroker
from simulators.clock import VirtualClock, run_virtual
from simulators.exchange import *
from simulators.exchange import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from simulators.recordings import *
from simulators.link import MemoryLink

ROOM = "orion@contoso.com"
f = lambda t: datetime.fromtimestamp(t / 1000, UTC).strftime("%a %d %b %H:%M:%S")


class Once:
    def __init__(self, t):
        self.t = t
        self.v = None

    async def token(self, *, claims=None):
        if self.v is None or claims:
            self.v = await self.t.token(claims=claims)
        return self.v


def settings(folder, sensors, mode, port, dh="31s", poll="5m"):
    (folder / "secret").write_text(CLIENT_SECRET)
    (folder / "secret").chmod(0o600)
    text = CONFIGURATION.format(
        tenant=TENANT_ID, client=CLIENT_ID, policy="", exchange=f'poll="{poll}"'
    ).replace('host = "127.0.0.1"', f'host = "127.0.0.1"\nport={port}\nkeepalive="18h"')
    text += f'[[room]]\nid = "orion"\nmailbox = "{ROOM}"\nmode = "{mode}"\n'
    for s in sensors:
        text += f'[[room.sensor]]\nid="{s.lower()}"\nfamily="plain"\ntopic="uci/{s}"\nsenses="motion"\nheartbeat="60s"\nlatency="31s"\nat_qos1=true\ndevice_hold="{dh}"\n'
    return parse(text, base=folder)


async def go(folder, loop, clock, rec, drawn, sensors, mode, dh="31s", poll="5m"):
    t0 = time.monotonic()
    real = isinstance(loop, LockStepLoop)
    broker = EmbeddedBroker() if real else None
    if broker:
        await broker.start()
    s = settings(folder, sensors, mode, broker.port if broker else 1883, dh, poll)
    ex = ExchangeSimulator(rooms=[ROOM], now=clock.now)
    ev = [ex.book("ada@contoso.com", ROOM, b.start, b.end) for b in drawn]
    link = LockStepLink(_link_settings(s), loop) if real else MemoryLink()
    tr = httpx.ASGITransport(ex.app)
    sv = Service(
        s,
        Surroundings(
            clock=clock,
            link=link,
            transport=tr,
            tokens=Once(InProcessTokens(tr)),
            watch_every_s=86400.0,
            control=False,
            linger_s=0.0,
        ),
    )
    if real:
        pub = Publisher("127.0.0.1", broker.port, loop)
        pub.__enter__()
        with loop.held():
            run = asyncio.create_task(sv.run())
            await until(lambda: sv.intake.link_state == "up" or run.done())
        send = pub.publish
    else:
        run = asyncio.create_task(sv.run())
        await asyncio.sleep(1)
        send = link.send
    print("start", time.monotonic() - t0)
    for m in to_messages(rec, sensors):
        d = clock.seconds_until(m.t)
        if d:
            await asyncio.sleep(d)
        if real: link.hasten()
        send(m.topic, m.payload)
    await asyncio.sleep(3600)
    print("played", time.monotonic() - t0)
    sv.stop()
    if real:
        with loop.held():
            await run
        pub.__exit__()
        await broker.stop()
        print(pub.published, link.acknowledged)
    else:
        await run
    print("end", time.monotonic() - t0, "requests", sv.graph.requests)
    with LedgerReader(folder / "ledger.db") as r:
        dec = r.decisions()
    return dec, [(b, e, ex.status(e, ROOM)) for b, e in zip(drawn, ev)]


if __name__ == "__main__":
    import tempfile

    rec = import_uci(Path("/work/shared/data/occupancy/uci-room-occupancy.csv.gz"))
    seed = int(sys.argv[2])
    drawn = draw_bookings(rec, seed, ghost_share=0.99, hours=(0, 24), across_gaps=True)
    drawn = [b for b in drawn if any(b.start <= x.t < b.end for x in rec.samples)]
    print(len(drawn), sum(not b.attended for b in drawn))
    which = sys.argv[1]
    dh = sys.argv[3] if len(sys.argv) > 3 else "31s"
    with tempfile.TemporaryDirectory() as d:
        folder = Path(d)
        t0 = drawn[0].start - 20 * 60000
        t0 = min(t0, rec.samples[0].t - 600000)
        if which == "both":
            dec, res = run_in_lock_step(lambda l, c: go(folder, l, c, rec, drawn, BOTH, "live", dh), t0)
        elif which == "both-mem":
            dec, res = run_virtual(lambda c: go(folder, c._loop, c, rec, drawn, BOTH, "live", dh), t0)
        else:
            dec, res = run_virtual(lambda c: go(folder, c._loop, c, rec, drawn, ("S7",), "shadow", dh), t0)
    print(Counter(d.kind for d in dec))
    for b, e, st in res:
        mine = [d for d in dec if d.booking.startswith(e.ical_uid)]
        ends = [d for d in mine if d.kind in ("released", "would_release")]
        tal = [d.tally for d in mine if d.tally]
        flag = (
            "RELEASED-ATTENDED"
            if ends and b.attended
            else ("kept-ghost" if not ends and not b.attended else "")
        )
        if ends and b.attended and b.first_presence < ends[0].at:
            flag += " WITH PEOPLE"
        print(
            f(b.start),
            (b.end - b.start) // 60000,
            "att" if b.attended else "ghost",
            st.response,
            [f(d.at)[-8:] for d in ends],
            flag,
            tal and (tal[-1].outcome, tal[-1].cause),
        )
        if flag and len(sys.argv) > 4:
            for d in mine:
                print("      ", f(d.at), d.kind, [(r.code, r.sensor, r.value) for r in d.reasons])
