"""Access tokens for Graph: asked for once, shared by everybody who needs one.

msal is imported and constructed on the first use and on the executor, because its constructor
already talks to the authority (tenant discovery) and blocks.
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from gateway.exchange.credentials import Credential, GivenSecret, Material
from gateway.exchange.errors import AuthError, ExchangeError, RetryableError

_P = ParamSpec("_P")
_T = TypeVar("_T")

FRESH: Final = "{}"
"""An empty claims challenge. msal skips its cache for any challenge, so this one means "a new token"."""

GRAPH_SCOPE: Final = "https://graph.microsoft.com/.default"

TIMEOUT_S: Final = (10.0, 30.0)
"""Connect and read time-outs towards the authority."""

HELD_S: Final = 60.0
"""How long a token is reused without asking msal, which never returns one with under 5 min left."""

REFUSAL_HELD_S: Final = 20.0
"""How long a refusal stands before the authority is asked again: 100 rooms share one wrong secret."""

ADVICE: Final[Mapping[int, str]] = {
    7000215: "the client secret is wrong: use the secret's value, not its id",
    7000222: "the client secret has expired: create a new one in the app registration",
    7000216: "the authority wants a secret or certificate and got neither",
    7000218: "the authority wants a secret or certificate and got neither",
    7000112: "the application is disabled in the tenant: enable it under Enterprise applications",
    7000229: "the application has no service principal in the tenant: consent to it there once",
    700016: "the tenant does not know this client id: check client id and tenant",
    700027: "the certificate does not match one in the app registration: upload its public part there",
    700023: "the signed request is meant for another authority: check the authority and the tenant",
    700024: "the signed request is outside its validity: check this machine's clock",
    1000502: "the certificate has expired: upload a new one to the app registration",
    70021: "the app registration has no federated credential for this assertion: add one there with the "
    "assertion's issuer, subject and audience",
    700211: "no federated credential of the app registration has this assertion's issuer: correct it there",
    700212: "no federated credential of the app registration has this assertion's audience: correct it there",
    700213: "no federated credential of the app registration has this assertion's subject: correct it there",
    50034: "the authority does not know this account: check that client_id is the application (client) id "
    "and not the address or object id of something else",
    50194: "the application is not meant for this authority: put the tenant into it instead of "
    "common or organizations",
    500011: "the tenant does not know Microsoft Graph under this address: check the authority and base_url, "
    "which belong to one cloud (global, US government, China)",
    90002: "the tenant does not exist: check the tenant in the authority",
    900023: "the tenant's id or domain is malformed: check the tenant in the authority",
}
"""What to mend, by AADSTS code (https://learn.microsoft.com/entra/identity-platform/reference-error-codes)."""

CONDITIONAL_ACCESS: Final = (
    "a conditional access policy blocks this application: its sign-in is listed in the Entra admin center "
    "under Sign-in logs, Service principal sign-ins, with the policy's name; exclude the service principal "
    "from that policy, or add this site's public address to the locations that it allows"
)
"""For every code of the family 530xx and 530xxx: 53003 blocked by policy, 530032 by a security policy."""


def advice(number: int | None) -> str:
    """What to mend for an AADSTS number; empty where nothing better is known than to look it up."""
    if number is None:
        return ""
    family = str(number)
    if family.startswith("530") and len(family) in {5, 6}:
        return CONDITIONAL_ACCESS
    return ADVICE.get(number, "")


TRANSIENT_CODES: Final = frozenset({50196, 90024, 90033, 90055})
TRANSIENT_ERRORS: Final = frozenset({"temporarily_unavailable", "server_error"})


class TokenSource(Protocol):
    """Where the client gets its tokens from."""

    async def token(self, *, claims: str | None = None) -> str:
        """A valid access token. `claims`: a decoded claims challenge (JSON); the answer is a new token.

        Raises AuthError (somebody must mend something) or RetryableError (the authority is away).
        """
        ...


class InlineExecutor(Executor):
    """Runs each call at once on the caller's thread: for virtual time, where threads have no place."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run `fn` now; the future is done when it is returned."""
        future: Future[_T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - an executor hands every outcome to its future
            future.set_exception(error)
        return future


class _HttpClient:
    """The HTTP client that msal is given: a requests session with time-outs and without surprises.

    `trust_env` is off because REQUESTS_CA_BUNDLE in the environment would override `verify`.
    """

    def __init__(self, ca_file: str | None, proxy: str | None) -> None:
        import requests  # noqa: PLC0415 - together with msal, only when a token is really needed

        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca_file or True
        if proxy:
            self._session.proxies = {"http": proxy, "https": proxy}

    def get(self, url: str, **kwargs: Any) -> Any:
        return self._session.get(url, **{"timeout": TIMEOUT_S, **kwargs})

    def post(self, url: str, **kwargs: Any) -> Any:
        return self._session.post(url, **{"timeout": TIMEOUT_S, **kwargs})

    def close(self) -> None:
        self._session.close()


class MsalTokens:
    """App-only tokens by client credentials, from Microsoft's or any other OpenID authority.

    `credential` is read anew for each question to the authority, so that what was replaced holds; a
    text is a client secret, a mapping is msal's own for a certificate. `ca_file` replaces the built-in
    root certificates. `executor` runs the blocking calls; None is the event loop's own. `wall` (seconds
    since 1970) is compared with a certificate's dates.
    """

    def __init__(
        self,
        authority: str,
        client_id: str,
        credential: Credential | str | Mapping[str, Any],
        *,
        ca_file: str | None = None,
        proxy: str | None = None,
        executor: Executor | None = None,
        scope: str = GRAPH_SCOPE,
        http_client: Any = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._authority = authority
        self._client_id = client_id
        self._credential = _as_credential(credential)
        self._ca_file = ca_file
        self._proxy = proxy
        self._executor = executor
        self._scope = scope
        self._http_client = http_client
        self._wall = wall
        self._lock = threading.Lock()
        self._app: Any = None
        self._material: Material | None = None
        self._made_with: Material | None = None
        """What msal's application was made with; another credential needs another one."""
        self._unreadable: AuthError | None = None
        """Why the credential could not be read again, while the one of before is still in use."""
        self._asked: dict[str | None, asyncio.Task[str]] = {}
        self._held: tuple[float, str] | None = None
        self._refusal: tuple[float, AuthError] | None = None

    async def token(self, *, claims: str | None = None) -> str:
        """See `TokenSource.token`. Callers at the same time share one question to the authority."""
        now = asyncio.get_running_loop().time()
        if claims is None and self._held is not None and now < self._held[0]:
            return self._held[1]
        if self._refusal is not None and now < self._refusal[0]:
            raise self._refusal[1].with_traceback(None)
        task = self._asked.get(claims)
        if task is None:
            task = self._asked[claims] = asyncio.create_task(self._ask(claims))
            task.add_done_callback(lambda done: self._settle(claims, done))
        return await asyncio.shield(task)  # one cancelled caller must not cost the others their token

    async def aclose(self) -> None:
        """Stop asking, and close the connections to the authority."""
        for task in list(self._asked.values()):
            task.cancel()
        if self._http_client is not None:
            self._http_client.close()

    def _settle(self, claims: str | None, done: asyncio.Task[str]) -> None:
        self._asked.pop(claims, None)
        if not done.cancelled():
            done.exception()  # seen here, in case every caller was cancelled meanwhile

    async def _ask(self, claims: str | None) -> str:
        loop = asyncio.get_running_loop()
        try:
            token, lasts_s = await loop.run_in_executor(self._executor, self._acquire, claims)
        except AuthError as refused:
            self._held = None
            self._refusal = (loop.time() + REFUSAL_HELD_S, refused)
            raise
        self._refusal = None
        self._held = (loop.time() + min(HELD_S, lasts_s / 2), token)
        return token

    def _acquire(self, claims: str | None) -> tuple[str, float]:
        """Token and its remaining seconds. Blocks; on the executor."""
        import jwt  # noqa: PLC0415 - as msal, which signs with it
        import msal  # noqa: PLC0415 - msal and requests cost 20 MB and are not needed before the first token
        import requests  # noqa: PLC0415 - as msal
        from msal.exceptions import MsalError  # noqa: PLC0415 - as msal

        with self._lock:  # msal's construction is not safe against itself
            try:
                app = self._application(msal)
                result = app.acquire_token_for_client(scopes=[self._scope], claims_challenge=claims)
            except requests.exceptions.SSLError as error:
                raise AuthError(
                    "the authority's certificate is not trusted: check this machine's clock, "
                    "ca_file and any proxy in between"
                ) from error
            except (requests.RequestException, MsalError) as error:
                raise RetryableError(f"the authority does not answer: {type(error).__name__}") from error
            except (KeyError, RuntimeError) as error:  # a 200 without endpoints; an unexpected status
                raise RetryableError("the authority gave an answer that cannot be understood") from error
            except jwt.PyJWTError as error:
                raise AuthError("the certificate's private key cannot be used: is it RSA in PEM?") from error
            except OSError as error:
                raise AuthError(
                    f"cannot read {error.filename or 'ca_file'}: {type(error).__name__}"
                ) from error
            except ValueError as error:
                raise self._from_value_error(error) from error
        if isinstance(result, dict) and isinstance(result.get("access_token"), str):
            return result["access_token"], float(result.get("expires_in", 0))
        raise self._explained(from_token_error(result if isinstance(result, dict) else {}))

    def _application(self, msal: Any) -> Any:
        """Msal's application, made anew when the credential's files have changed.

        What cannot be read any more (a file that is just being replaced) is no reason to give up what
        holds: the credential of before stays in use until the authority refuses it.
        """
        try:
            self._material = self._credential.read()
            self._unreadable = None
        except AuthError as error:
            if self._app is None:
                raise
            self._unreadable = error
        material = self._material
        if material is None or self._app is None or material.changes_application(self._made_with):
            self._app = self._construct(msal, self._for_msal())
            self._made_with = material
        return self._app

    def _for_msal(self) -> str | dict[str, Any]:
        """The credential; an assertion as a question, because msal would keep the first one for good."""
        given = self._material.for_msal if self._material is not None else {}
        if isinstance(given, dict) and "client_assertion" in given:
            return {"client_assertion": self._assertion}
        return given

    def _assertion(self) -> str:
        given = self._material.for_msal if self._material is not None else {}
        return str(given["client_assertion"]) if isinstance(given, dict) else given

    def _explained(self, refused: ExchangeError) -> ExchangeError:
        """The refusal with what its files say against the credential, which is more exact than any code."""
        if not isinstance(refused, AuthError):
            return refused
        why = ""
        if self._unreadable is not None:
            why = self._unreadable.why
        elif self._material is not None:
            why = self._material.obstacle(int(self._wall() * 1_000))
        return AuthError(why, code=refused.code) if why else refused

    def _construct(self, msal: Any, credential: str | dict[str, Any]) -> Any:
        if self._http_client is None:
            self._http_client = _HttpClient(self._ca_file, self._proxy)
        return msal.ConfidentialClientApplication(
            self._client_id,
            authority=self._authority,
            client_credential=credential,
            client_capabilities=["CP1"],  # we understand claims challenges
            # The authority is the operator's own setting. Validating it would ask
            # login.microsoftonline.com about private authorities, and about aliases after each error.
            validate_authority=False,
            instance_discovery=False,
            http_client=self._http_client,
        )

    def _from_value_error(self, error: ValueError) -> ExchangeError:
        """A ValueError of msal: a refused discovery, a bad authority, a bad key or bad JSON.

        Only the text tells the first ones apart; the AADSTS number in it is the documented part.
        """
        cause = error if isinstance(error, json.JSONDecodeError) else error.__context__ or error
        if isinstance(cause, json.JSONDecodeError):  # a proxy's page, or a broken authority
            return RetryableError("the authority gave an answer that is not JSON")
        number = _aadsts(str(cause))
        return AuthError(
            advice(number)
            or f"no token from {self._authority}: check the authority, the tenant and the credential",
            code=f"AADSTS{number}" if number else "",
        )


def _as_credential(given: Credential | str | Mapping[str, Any]) -> Credential:
    if isinstance(given, str):
        return GivenSecret(given)
    if isinstance(given, Mapping):
        return GivenSecret(dict(given), "certificate")
    return given


def _aadsts(text: str) -> int | None:
    found = re.search(r"AADSTS(\d+)", text)
    return int(found[1]) if found else None


def from_token_error(result: Mapping[str, Any]) -> ExchangeError:
    """The error that a token endpoint's error answer stands for, with advice where the code is known."""
    numbers = [number for number in result.get("error_codes") or () if isinstance(number, int)]
    in_text = _aadsts(str(result.get("error_description", "")))
    number = numbers[0] if numbers else in_text
    error = str(result.get("error", ""))
    code = f"AADSTS{number}" if number else error
    if number in TRANSIENT_CODES or error in TRANSIENT_ERRORS:
        return RetryableError("the authority is overloaded", code=code)
    return AuthError(advice(number) or "the authority refuses this application: look the code up", code=code)
