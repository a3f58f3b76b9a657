"""The script for IT does what it says, for exactly the rooms, and no configured name becomes code."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.attendant_settings import RECOMMENDED
from gateway.exchange.setup_script import ScriptRoom, literal, setup_script

ROOMS = (
    ScriptRoom("orion", "Orion", "orion@contoso.com"),
    ScriptRoom("vega", "Vega", "vega@contoso.com"),
)
CLIENT = "00000000-0000-0000-0000-000000000000"

STRING = re.compile(r"'(?:[^']|'')*'")
BY_NUMBER = re.compile(r"\[string\]\[char\]0x([0-9A-F]+)|\[char\]::ConvertFromUtf32\(0x([0-9A-F]+)\)")

HOSTILE = [
    "it's",
    'say "hi"',
    "$(Remove-Mailbox *)",
    "`n`$x",
    "a\nRemove-Mailbox *\n#",
    "\N{RIGHT SINGLE QUOTATION MARK}; Remove-Mailbox *; \N{LEFT SINGLE QUOTATION MARK}",
    "\N{SINGLE LOW-9 QUOTATION MARK}\N{SINGLE HIGH-REVERSED-9 QUOTATION MARK}",
    "#> Remove-Mailbox",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{GRINNING FACE}",
    "\0\r\x1b\N{LINE SEPARATOR}\x85",
    "",
]


def value_of(expression: str) -> str:
    """What PowerShell makes of an expression of `literal`: a small reading of its rules."""
    inner = expression[1:-1] if expression.startswith("(") else expression
    found, position = "", 0
    while position < len(inner):
        if string := STRING.match(inner, position):
            found += string[0][1:-1].replace("''", "'")
            position = string.end()
        elif number := BY_NUMBER.match(inner, position):
            found += chr(int(number[1] or number[2], 16))
            position = number.end()
        else:
            assert inner.startswith(" + ", position), inner[position:]
            position += 3
    return found


def skeleton(script: str) -> str:
    """The script without the values of its literals: what PowerShell executes."""
    bare = BY_NUMBER.sub("''", STRING.sub("''", script))
    return re.sub(r"\(''(?: \+ '')*\)|''", "V", bare)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_literal_is_exactly_its_text(text: str) -> None:
    """In ASCII, on one line, whatever is in it."""
    assert value_of(literal(text)) == text
    assert literal(text).isascii()
    assert literal(text).isprintable()


@given(st.text())
def test_every_text_has_its_literal(text: str) -> None:
    """The same for any text at all."""
    expression = literal(text)
    assert value_of(expression) == text
    assert expression.isascii()
    assert expression.isprintable()


@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=4),
    st.text(max_size=20),
)
def test_no_name_changes_what_is_executed(names: list[tuple[str, str]], site: str) -> None:
    """Whatever rooms, mailboxes and site are called, the script's commands are those for plain names."""
    hostile = [
        ScriptRoom("orion", name, mailbox.replace("*", "").replace("?", "")) for name, mailbox in names
    ]
    plain = [ScriptRoom("orion", "Orion", "orion@contoso.com") for _ in names]
    made = setup_script(site, CLIENT, hostile)
    assert skeleton(made) == skeleton(setup_script("Site", CLIENT, plain))
    assert made.isascii()


def test_the_skeleton_sees_an_injection() -> None:
    """The check above would notice: an unescaped quote changes what is left."""
    script = setup_script("Site", CLIENT, ROOMS)
    broken = script.replace("'Orion'", "'O'; Remove-Mailbox 'x'")
    assert skeleton(broken) != skeleton(script)


def test_the_script_is_the_same_each_time_and_holds_each_room_once() -> None:
    """Somebody compares it with last month's."""
    script = setup_script("Contoso Riverside", CLIENT, ROOMS)
    assert script == setup_script("Contoso Riverside", CLIENT, ROOMS)
    for room in ROOMS:
        assert script.count(f"Mailbox = '{room.mailbox}' }}") == 1


def test_the_grant_is_scoped_and_tested() -> None:
    """The order of the reference: principal, scope, assignment, test; never a role without its scope."""
    script = setup_script("Contoso Riverside", CLIENT, ROOMS)
    steps = [
        "New-ServicePrincipal -AppId $AppId -ObjectId $ObjectId",
        "New-ManagementScope -Name $ScopeName -RecipientRestrictionFilter $Filter",
        "New-ManagementRoleAssignment @Values",
        "Test-ServicePrincipalAuthorization @Values",
        "Set-CalendarProcessing @Settings",
        "Get-CalendarProcessing -Identity $Room.Mailbox",
        "ConvertTo-Json",
    ]
    places = [script.index(step) for step in steps]
    assert places == sorted(places)
    assert "$Role = 'Application Calendars.ReadWrite'" in script
    assert "Role = $Role; CustomResourceScope = $ScopeName" in script
    assert "$Filter = \"$Attribute -eq '$Mark'\"" in script
    assert "$Mark = 'occupancy-gateway-contoso-riverside'" in script


def test_nothing_is_changed_unless_asked_for() -> None:
    """Each command that changes something stands in a step that -Apply opens, or has -WhatIf."""
    script = setup_script("Contoso Riverside", CLIENT, ROOMS)
    lines = script.splitlines()
    for number, line in enumerate(lines):
        code = line.strip()
        if re.match(r"(New|Set|Remove|Add)-(Mailbox|Management|Service)", code):
            assert any(re.match(r"\s*Step \"", before) for before in lines[number - 2 : number]), line
        if code.startswith("Set-CalendarProcessing"):
            assert "-WhatIf:(-not $ApplyRoomSettings)" in code
    assert "Remove-" not in script


def test_each_recommendation_comes_with_its_reason() -> None:
    """And is what the gateway judges by."""
    script = setup_script("Contoso Riverside", CLIENT, ROOMS)
    comments = " ".join(line.strip("# ") for line in script.splitlines() if line.startswith("#"))
    for each in RECOMMENDED:
        assert each.reason in comments
        assert f"        {each.parameter} = " in script


def test_brackets_and_braces_are_balanced() -> None:
    """A cheap look at what PowerShell would refuse first."""
    bare = skeleton(
        "\n".join(line for line in setup_script("S", CLIENT, ROOMS).splitlines() if not line.startswith("#"))
    )
    for opening, closing in ("()", "{}", "[]"):
        assert bare.count(opening) == bare.count(closing)
    assert bare.count('"') % 2 == 0


def test_no_variable_in_a_text_runs_into_a_colon() -> None:
    """PowerShell would take `$Room:` for a drive."""
    assert not re.search(r"\$[A-Za-z]+:(?!:)", re.sub(r"#.*|-WhatIf:", "", setup_script("S", CLIENT, ROOMS)))


def test_patterns_and_unknown_attributes_are_refused() -> None:
    """Exchange takes `*@contoso.com` for every mailbox."""
    with pytest.raises(ValueError, match="pattern for Exchange"):
        setup_script("S", CLIENT, [ScriptRoom("all", "All", "*@contoso.com")])
    with pytest.raises(ValueError, match="no custom attribute"):
        setup_script("S", CLIENT, ROOMS, attribute="CustomAttribute16")


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="needs PowerShell")
def test_powershell_itself_can_read_it(tmp_path: Path) -> None:
    """No syntax error, with the worst names there are."""
    rooms = [ScriptRoom(f"r{n}", name, f"r{n}@contoso.com") for n, name in enumerate(HOSTILE)]
    file = tmp_path / "setup.ps1"
    file.write_text(setup_script("It's", CLIENT, rooms), encoding="ascii")
    parser = "[System.Management.Automation.Language.Parser]"
    program = f"$e = $null; {parser}::ParseFile('{file}', [ref]$null, [ref]$e) | Out-Null; $e.Count"
    done = subprocess.run(  # noqa: S603 - a constant program and our own file
        [shutil.which("pwsh") or "pwsh", "-NoProfile", "-Command", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "0"
