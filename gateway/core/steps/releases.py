"""Warnings and releases, and what withholds or withdraws them."""

from typing import Literal

from gateway.core.case import case_of
from gateway.core.decisions import Reason
from gateway.core.life import Life
from gateway.core.occupancy import Proof, prove
from gateway.core.rules import Case, Weight, first_objection, stops_release_under_way
from gateway.core.steps.conclusion import WRITE_PATIENCE_MS, Conclusion, release_method
from gateway.core.units import NEVER


def release(tick: Conclusion, life: Life, proof: Proof) -> None:
    """Warn, release, withhold or withdraw, as the rules say (`gateway.core.rules`)."""
    if life.grace_ms != tick.room.grace_ms:
        proof = prove(tick.room.sensors, tick.room.panel(life.grace_ms), tick.now)
    if life.state == "releasing" and not life.withdrawn:
        reason = stops_release_under_way(case_of(tick.room, life, tick.now, proof, tick.breaker))
        if reason is not None:
            tick.drop_release(life, reason)
    if not life.may_be_released or tick.now < life.booking.start or life.would_release_at != NEVER:
        return
    case = case_of(tick.room, life, tick.now, proof, tick.breaker)
    never = first_objection(case, "never")
    if never is not None:
        if not life.may_end_early:
            life.withheld = never[1].code
        return
    if case.proof.until < case.earliest:
        tick.state.proof_wanted = min(tick.state.proof_wanted, case.earliest)
    doubt = first_objection(case, "doubt")
    _warn(tick, case, doubt)
    objection = doubt or first_objection(case, "time")
    if objection is None:
        _let_go(tick, case)
    else:
        _withhold(tick, case, *objection)


def _warn(tick: Conclusion, case: Case, doubt: tuple[Weight, Reason] | None) -> None:
    life = case.life
    if life.warned_at != NEVER and case.proof.since > life.warned_since:
        tick.cancel_warning(life, Reason("presence_since", at=case.proof.since))
    warn_at = max(case.proof.since, case.earliest - life.policy.warn_before_release_ms)
    expected = doubt is None and tick.now >= warn_at
    if expected and life.warned_at == NEVER:
        life.warned_at, life.warned_since = tick.now, case.proof.since
        release_at = max(case.earliest, tick.now + life.policy.warn_before_release_ms)
        tick.say("warned", life, Reason("release_expected", at=case.proof.since, until=release_at))
    elif not expected:
        tick.cancel_warning(life, doubt[1] if doubt else Reason("presence_since", at=case.proof.since))


def _withhold(tick: Conclusion, case: Case, weight: Weight, reason: Reason) -> None:
    """Announce once per cause why a due release is not done; plain waiting needs no words."""
    if tick.now < case.life.due or case.life.may_end_early:
        return  # that a booking is not ended early needs no words
    cause = f"{reason.code} {reason.sensor}".rstrip()
    worth_saying = weight == "doubt" or reason.code == "vacancy_too_young"
    if worth_saying and cause != case.life.announced:
        tick.say("withheld", case.life, reason)
        case.life.announced = cause
    if reason.code != "too_little_left" or not case.life.withheld:
        case.life.withheld = cause  # running out of time is what comes of another cause


def _let_go(tick: Conclusion, case: Case) -> None:
    life, proof = case.life, case.proof
    life.release_kind = _release_kind(life)
    reasons = (
        Reason(life.release_kind, value=case.window_ms),
        Reason("proven_vacant", at=proof.since, until=proof.until, text=", ".join(proof.provers)),
        Reason("due", at=life.due, value=life.grace_ms),
        Reason("warned", at=life.warned_at),
        Reason("calendar_read", at=case.calendar_read_at),
    )
    life.withheld = ""
    if not life.live:
        life.would_release_at = tick.now
        life.warned_at = NEVER  # it has come true, as far as it does in shadow
        tick.say("would_release", life, *reasons)
        return
    latest = life.booking.end - life.policy.min_remaining_ms
    deadline = min(tick.now + WRITE_PATIENCE_MS, latest)
    if life.release_kind == "end_early":
        write = tick.write(life, "end_early", "patch_end", deadline, new_end=tick.now)
        life.move("end_early")
    else:
        write = tick.write(life, "release", release_method(life.booking), deadline)
        life.move("release")
    life.write = write.id
    tick.say("release", life, *reasons, write=write)


def _release_kind(life: Life) -> Literal["no_show", "brief_visit", "end_early"]:
    if life.may_end_early:
        return "end_early"
    return "brief_visit" if life.seen_at != NEVER else "no_show"
