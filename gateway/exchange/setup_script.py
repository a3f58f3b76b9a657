"""The PowerShell that IT runs once: a grant for exactly the rooms, and what their attendants are set to.

Pure and deterministic: the same configuration gives the same script, byte for byte. The script is pure
ASCII, because Windows PowerShell reads a file without a byte order mark in the machine's code page, where
parts of other characters become quotation marks. Whatever comes from the configuration stands in
single-quoted literals, in which PowerShell expands nothing, and nowhere else (not even in comments).

Nothing is changed unless the person who runs it says so: -Apply for the grant, -ApplyRoomSettings for
the rooms. References: https://learn.microsoft.com/exchange/permissions-exo/application-rbac and the
pages of the commands in https://learn.microsoft.com/powershell/module/exchange/.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.exchange.attendant_settings import EXPORTED, RECOMMENDED

ROLE: Final = "Application Calendars.ReadWrite"

ATTRIBUTES: Final = tuple(f"CustomAttribute{number}" for number in range(1, 16))
"""What a mailbox can be marked with; Microsoft's own example of a scope filters by the first of them."""

DEFAULT_ATTRIBUTE: Final = "CustomAttribute15"
"""The last one: the least likely to be in use."""

MARK: Final = "occupancy-gateway"

MAX_NAME: Final = 64
"""Characters in the name of a management scope or role assignment."""


class ScriptRoom(NamedTuple):
    """A room as the script knows it."""

    id: str
    name: str
    mailbox: str


def literal(text: str) -> str:
    """An expression of PowerShell whose value is exactly this text, in ASCII and on one line.

    Quotes are doubled; PowerShell takes typographic quotes for quotes too, so those, all other characters
    beyond ASCII and control characters are put in by number.
    """
    parts: list[str] = []
    plain = ""
    for character in text:
        if " " <= character <= "~":
            plain += "''" if character == "'" else character
            continue
        if plain:
            parts.append(f"'{plain}'")
            plain = ""
        number = ord(character)
        parts.append(
            f"[string][char]0x{number:04X}"
            if number <= 0xFFFF  # noqa: PLR2004 - beyond it a character of .NET is two
            else f"[char]::ConvertFromUtf32(0x{number:X})"
        )
    if plain or not parts:
        parts.append(f"'{plain}'")
    return parts[0] if len(parts) == 1 and parts[0][0] == "'" else f"({' + '.join(parts)})"


def setup_script(
    site: str,
    client_id: str,
    rooms: Sequence[ScriptRoom],
    *,
    attribute: str = DEFAULT_ATTRIBUTE,
) -> str:
    """The whole script. `attribute`: the custom attribute that marks the rooms.

    Raises ValueError for an attribute that does not exist, and for an address that is a pattern.
    """
    if attribute not in ATTRIBUTES:
        raise ValueError(
            f"{attribute!r} is no custom attribute; there are CustomAttribute1 to CustomAttribute15"
        )
    for room in rooms:
        if set(room.mailbox) & set("*?"):
            raise ValueError(f"{room.mailbox!r} is a pattern for Exchange, not the address of one room")
    slug = re.sub(r"[^a-z0-9]+", "-", site.casefold()).strip("-") or "site"
    mark = f"{MARK}-{slug}"[:MAX_NAME].rstrip("-")
    parts = [
        _HEAD,
        _values(site, client_id, mark, attribute, rooms),
        _HELPERS,
        _PRINCIPAL,
        _MARKS,
        _GRANT,
        _TEST,
        _settings(),
        _export(),
        _END,
    ]
    return "\n".join(parts)


def _values(site: str, client_id: str, mark: str, attribute: str, rooms: Sequence[ScriptRoom]) -> str:
    lines = [
        "# -- From the gateway's configuration; make the script anew when rooms come or go ----------------",
        f"$Site = {literal(site)}",
        f"$AppId = {literal(client_id)}",
        f"$DisplayName = {literal(f'Occupancy gateway {site}'[:MAX_NAME])}",
        f"$ScopeName = {literal(mark)}",
        f"$Attribute = {literal(attribute)}",
        f"$Mark = {literal(mark)}",
        f"$Role = {literal(ROLE)}",
        "$Rooms = @(",
    ]
    lines += [
        f"    [pscustomobject]@{{ Id = {literal(room.id)}; Name = {literal(room.name)}; "
        f"Mailbox = {literal(room.mailbox)} }}"
        for room in rooms
    ]
    return "\n".join([*lines, ")", ""])


_HEAD: Final = """\
# Connects the occupancy gateway with the calendars of its rooms, and of no other mailbox.
#
# Made by: occupancy-gateway exchange setup-script. Run it in Exchange Online PowerShell (module
# ExchangeOnlineManagement) as an administrator of Exchange. Run it as it is first: it changes nothing
# and shows what it would do. Then:
#
#     .\\setup.ps1 -ObjectId <object id> -Apply                  marks the rooms and grants the role for them
#     .\\setup.ps1 -ObjectId <object id> -ApplyRoomSettings      changes the rooms' booking settings too
#
# Before, once, in the Microsoft Entra admin center:
#   1. App registrations > New registration: any name, accounts in this directory only, no redirect address.
#   2. Its application (client) id goes into the gateway's configuration (exchange.client_id).
#   3. Certificates & secrets > Certificates: upload the public part of the gateway's certificate.
#   4. API permissions: none for calendars. A consent to Calendars.ReadWrite there would hold for every
#      mailbox of the tenant, whatever this script says. For `rooms import --places` only:
#      Place.Read.All (application), with admin consent.
#   5. The object id for this script is that of Enterprise applications, not that of App registrations.

[CmdletBinding()]
param(
    [string]$ObjectId = '',
    [switch]$Apply,
    [switch]$ApplyRoomSettings,
    [string]$SettingsFile = 'attendant-settings.json'
)
$ErrorActionPreference = 'Stop'
"""

_HELPERS: Final = """\
if (-not (Get-Command Get-CalendarProcessing -ErrorAction SilentlyContinue)) {
    Connect-ExchangeOnline -ShowBanner:$false
}

Write-Host "Site: $Site, $($Rooms.Count) rooms"

function Step([string]$What, [scriptblock]$Change) {
    if ($Apply) { Write-Host "doing: $What"; & $Change } else { Write-Host "would: $What" }
}
"""

_PRINCIPAL: Final = """\
# -- 1. Exchange learns of the application ------------------------------------------------------------
$Principal = Get-ServicePrincipal | Where-Object { $_.AppId -eq $AppId } | Select-Object -First 1
if ($Principal) {
    $ObjectId = [string]$Principal.ObjectId
    Write-Host "known already: application $AppId"
} elseif ($ObjectId) {
    Step "New-ServicePrincipal for application $AppId" {
        New-ServicePrincipal -AppId $AppId -ObjectId $ObjectId -DisplayName $DisplayName | Out-Null
    }
} else {
    Write-Warning 'Exchange does not know the application yet: run this with -ObjectId <object id>.'
    if ($Apply) { throw 'Nothing was changed.' }
}
"""

_MARKS: Final = """\
# -- 2. The rooms are marked, these and no others -----------------------------------------------------
$Wanted = @()
foreach ($Room in $Rooms) {
    $Mailbox = Get-Mailbox -Identity $Room.Mailbox -ErrorAction SilentlyContinue
    if (-not $Mailbox) { Write-Warning "no mailbox: $($Room.Mailbox) ($($Room.Id))"; continue }
    $Wanted += [string]$Mailbox.PrimarySmtpAddress
    if ([string]$Mailbox.RecipientTypeDetails -ne 'RoomMailbox') {
        Write-Warning "not a room mailbox: $($Room.Mailbox) ($($Mailbox.RecipientTypeDetails))"
    }
    $Now = [string]$Mailbox.$Attribute
    if ($Now -eq $Mark) { continue }
    if ($Now) {
        Write-Warning "$($Room.Mailbox): $Attribute is in use already. Left alone; choose another attribute."
        continue
    }
    Step "mark $($Room.Mailbox) by $Attribute" {
        $Values = @{ Identity = $Room.Mailbox; $Attribute = $Mark }
        Set-Mailbox @Values
    }
}
$Filter = "$Attribute -eq '$Mark'"
if ($Wanted.Count -eq $Rooms.Count) {
    foreach ($Other in @(Get-Recipient -Filter $Filter -ResultSize Unlimited)) {
        $Address = [string]$Other.PrimarySmtpAddress
        if ($Wanted -contains $Address) { continue }
        Step "take the mark from $Address, which is no room of the gateway (any more)" {
            $Values = @{ Identity = $Address; $Attribute = $null }
            Set-Mailbox @Values
        }
    }
}
"""

_GRANT: Final = """\
# -- 3. The role, for the marked rooms alone ----------------------------------------------------------
$Scope = Get-ManagementScope -Identity $ScopeName -ErrorAction SilentlyContinue
if (-not $Scope) {
    Step "New-ManagementScope $ScopeName" {
        New-ManagementScope -Name $ScopeName -RecipientRestrictionFilter $Filter | Out-Null
    }
} elseif ([string]$Scope.RecipientFilter -notlike "*$Attribute*$Mark*") {
    throw "The management scope $ScopeName exists with another filter; look at it before anything is granted."
}
$Assignment = Get-ManagementRoleAssignment -Identity $ScopeName -ErrorAction SilentlyContinue
if (-not $Assignment) {
    Step "New-ManagementRoleAssignment $Role" {
        $Values = @{ Name = $ScopeName; App = $ObjectId; Role = $Role; CustomResourceScope = $ScopeName }
        New-ManagementRoleAssignment @Values | Out-Null
    }
}
"""

_TEST: Final = """\
# -- 4. Does it hold? Answered at once; Exchange itself may take 2 hours to follow ---------------------
if ($Principal -or $Apply) {
    foreach ($Room in $Rooms) {
        $Values = @{ Identity = $ObjectId; Resource = $Room.Mailbox; ErrorAction = 'SilentlyContinue' }
        $Found = @(Test-ServicePrincipalAuthorization @Values | Where-Object { $_.RoleName -eq $Role })
        if (@($Found | Where-Object { [string]$_.InScope -eq 'True' }).Count -gt 0) {
            Write-Host "in scope: $($Room.Mailbox)"
        } else {
            Write-Warning "NOT in scope: $($Room.Mailbox)"
        }
    }
}
"""


def _settings() -> str:
    lines = [
        (
            "# -- 5. How the rooms answer invitations "
            "--------------------------------------------------------------"
        ),
        "# Recommended, and why. With -WhatIf unless -ApplyRoomSettings was given. Everything else may stay.",
    ]
    for parameter, value, reason in RECOMMENDED:
        lines += _wrapped(f"-{parameter} {value}: {reason}.")
    lines += ["foreach ($Room in $Rooms) {", "    $Settings = @{", "        Identity = $Room.Mailbox"]
    for parameter, value, _ in RECOMMENDED:
        lines.append(f"        {parameter} = {value if value.startswith('$') else literal(value)}")
    lines += [
        "    }",
        "    Set-CalendarProcessing @Settings -WhatIf:(-not $ApplyRoomSettings) -ErrorAction Continue",
        "}",
        "",
    ]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    """Comment lines, indented from the second one on."""
    lines, line = [], "#   "
    for word in text.split(" "):
        if len(line) + len(word) > 100:  # noqa: PLR2004 - as wide as the rest
            lines.append(line.rstrip())
            line = "#       "
        line += f"{word} "
    return [*lines, line.rstrip()]


def _export() -> str:
    names = ",\n    ".join(f"'{name}'" for name in EXPORTED)
    return f"""\
# -- 6. What they are set to, for: occupancy-gateway exchange import-settings FILE --------------------
$Names = @(
    {names}
)
$Export = foreach ($Room in $Rooms) {{
    $Found = Get-CalendarProcessing -Identity $Room.Mailbox -ErrorAction SilentlyContinue
    if (-not $Found) {{ Write-Warning "no settings: $($Room.Mailbox)"; continue }}
    $One = [ordered]@{{ Mailbox = $Room.Mailbox }}
    foreach ($Name in $Names) {{
        $Value = $Found.$Name
        if ($Value -is [enum] -or $Value -is [timespan]) {{ $Value = [string]$Value }}
        $One[$Name] = $Value
    }}
    [pscustomobject]$One
}}
$All = @($Export | Where-Object {{ $_ }})
ConvertTo-Json -InputObject $All -Depth 3 | Set-Content -Path $SettingsFile -Encoding UTF8
Write-Host "written: $SettingsFile"
"""


_END: Final = """\
if (-not $Apply) { Write-Host 'Nothing was granted: this was a rehearsal. Run it again with -Apply.' }
"""
