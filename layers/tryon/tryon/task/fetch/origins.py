"""Which hosts a result may come from: those that the stack names."""

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from tryon.task.fetch.errors import ResultRefusedError

_MAX_URL_LENGTH = 8192

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"

# The last label begins with a letter: this alone keeps out dotted, decimal, octal and hexadecimal IPv4 forms.
_HOST = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")

_LOCAL_HOSTS = ("127.0.0.1", "host.docker.internal")

_ORIGIN = re.compile(r"(https?)://(\*\.)?([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?")

# Scheme, host and port in ASCII, without user info, and then nothing that could belong to them: every URL parser
# reads alike what this pattern accepts. The target is whatever a request line can carry; a fragment is never sent.
_URL = re.compile(
    r"(https?)://([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?([/?][^\x00-\x1f\x7f#]*)?(?:\#.*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)

_NOT_FOR_A_REQUEST_LINE = re.compile(r"[^\x21-\x7e]+")


@dataclass(frozen=True)
class Address:
    """Where a result is. `target` is what the request line asks for, as the service wrote it."""

    scheme: str
    host: str
    port: int
    # Whoever has it has the picture.
    target: str = field(repr=False)

    @property
    def url(self) -> str:
        """The whole address; the port only where it is not the scheme's own."""
        usual = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{self.host}{'' if self.port == usual else f':{self.port}'}{self.target}"


@dataclass(frozen=True)
class Origin:
    """A place that results may come from; `subdomains` means every host below `host`, not `host` itself."""

    scheme: str
    host: str
    port: int
    subdomains: bool = False

    @property
    def local(self) -> bool:
        """Whether this is a stand-in on the developer's machine, which may have a private address."""
        return self.host in _LOCAL_HOSTS

    def covers(self, scheme: str, host: str, port: int) -> bool:
        if (scheme, port) != (self.scheme, self.port):
            return False
        if self.subdomains:
            return host.endswith(f".{self.host}") and _HOST.fullmatch(host) is not None
        return host == self.host


@dataclass(frozen=True)
class OriginPolicy:
    """The only origins that results are fetched from."""

    origins: tuple[Origin, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a list of origins, separated by commas or white space.

        `https://cdn.example.com` is that host; `https://*.example.com` every host below it; plain http only
        as `http://127.0.0.1:<port>` or `http://host.docker.internal:<port>`, for a stand-in of the service.
        Raises `ValueError` naming the origin that is none of these, or when there is none at all.
        """
        origins = tuple(_origin(item) for item in re.split(r"[,\s]+", text.strip()) if item)
        if not origins:
            raise ValueError("no origin is allowed, so no result could be fetched")
        return cls(origins)

    def match(self, scheme: str, host: str, port: int) -> Origin | None:
        """The listed origin that covers a place, if any."""
        return next((origin for origin in self.origins if origin.covers(scheme, host, port)), None)

    def vet(self, url: str) -> str:
        """The host of an address that may be fetched.

        Raises `ResultRefusedError` for any other.
        """
        return self.address(url).host

    def address(self, url: str) -> Address:
        """The place to ask for an address that may be fetched.

        Its target is sent byte for byte, since a signature covers how it is written. Only what a request line
        cannot carry, blanks and characters beyond ASCII, is percent-encoded as UTF-8, as browsers do; a fragment
        is left out. An http address without a port of its own is asked over https where that is allowed. Raises
        `ResultRefusedError` for an address that may not be fetched.
        """
        match = _URL.fullmatch(url) if len(url) <= _MAX_URL_LENGTH else None
        if match is None:
            raise ResultRefusedError("the result's address is not a plain http(s) URL with a host name")
        scheme, host, target = match[1].lower(), match[2].lower(), match[4] or "/"
        port = int(match[3] or (443 if scheme == "https" else 80))
        if (scheme, port) == ("http", 80) and self.match("https", host, 443) is not None:
            scheme, port = "https", 443
        if self.match(scheme, host, port) is None:
            raise ResultRefusedError(f"{scheme}://{host}:{port} is not among the origins that results may come from")
        try:
            target = _NOT_FOR_A_REQUEST_LINE.sub(lambda found: quote(found[0]), target)
        except UnicodeEncodeError:
            raise ResultRefusedError(f"the result's address at {host} holds half a character") from None
        return Address(scheme, host, port, target if target.startswith("/") else "/" + target)


def _origin(text: str) -> Origin:
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an origin such as https://*.example.com")
    scheme, wildcard, host, port = match.groups()
    if host in _LOCAL_HOSTS:
        if scheme != "http" or wildcard or port is None or int(port) > 65535:
            raise ValueError(f"{text!r}: a stand-in's origin is written as http://{host}:<port>")
        return Origin("http", host, int(port))
    if scheme != "https":
        raise ValueError(f"{text!r}: results come over https only")
    if port not in (None, "443"):
        raise ValueError(f"{text!r}: results come from port 443 only")
    # `*.com` would let anybody in.
    if not _HOST.fullmatch(host):
        raise ValueError(f"{text!r}: the host must be a name of at least two labels, and no number")
    return Origin("https", host, 443, subdomains=wildcard is not None)
