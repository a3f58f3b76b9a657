"""Rules for bookings: told once each, and declined where the policy says so."""

from gateway.core.booking_rules import Standing, breaches, made_at, mercy
from gateway.core.decisions import Reason
from gateway.core.life import Life
from gateway.core.steps.conclusion import WRITE_PATIENCE_MS, Conclusion
from gateway.core.units import Duration


def judge_by_rules(tick: Conclusion, key: str) -> None:
    """Tell of each rule that a booking breaks, once; decline it where its policy says so."""
    life = tick.state.lives.get(key)
    if life is None or life.is_ours or life.state in ("releasing", "released"):
        return
    rules = tick.state.config.policy.rules
    made = made_at(life.first_seen_at, tick.state.looked_before)
    found = [one for one in breaches(life.booking, made, rules) if one[0] not in life.breaches]
    if not found:
        return
    life.breaches += tuple(breach for breach, _ in found)
    reasons = [reason for _, reason in found]
    refused = next((breach for breach, _ in found if rules.consequence(breach) == "decline"), None)
    if refused is None or life.refusal is not None:
        tick.say("rule_broken", life, *reasons)
        return
    mercy_shown = mercy(_standing(tick, life))
    if mercy_shown is not None:
        tick.say("rule_broken", life, *reasons, mercy_shown)
        return
    deadline = min(tick.now + WRITE_PATIENCE_MS, life.booking.start - _early_ms(tick))
    write = tick.write(life, "refuse", "decline", deadline, breach=refused)
    life.refusal = write.id
    tick.say("rule_broken", life, *reasons, Reason("rule_declines"), write=write)


def _standing(tick: Conclusion, life: Life) -> Standing:
    booking, state = life.booking, tick.state
    return Standing(
        booking,
        has_opened=life.state != "upcoming" or booking.start - _early_ms(tick) <= tick.now,
        is_kept=life.kept,
        is_exempt=bool(booking.marks) or state.config.exempt,
        was_declined=booking.key in state.declined,
        in_shadow=state.mode != "live",
    )


def _early_ms(tick: Conclusion) -> Duration:
    return tick.state.config.policy.early_arrival_ms
