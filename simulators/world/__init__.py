"""The whole real service in a simulated world: virtual time, people, sensors, Exchange, and faults.

    outcome = run_one(Options(seed=7, rooms=3, days=2, faults=chosen("all")))
    assert not outcome.failed

One seed decides everything: the same run gives the same journal on any machine.

    cast        who is there and what happens by itself        transport   requests to Exchange, thin
    engine      one run, step by step                          host        the gateway's machine
    strikes     faults begin and end                           mischief    what faults do to messages
    calendars   the mailboxes, seen from outside               acting      people's hands in them
    sight       fills `simulators.observed.Observed`           judge       invariants and figures
    run         many runs                                      shrink      the smallest that fails
"""
