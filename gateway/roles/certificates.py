"""A listener's certificates: chosen by name, renewed while running.

The problem: certificates live for days or weeks, connections and processes for longer, and whoever renews them
writes two files that for a moment do not fit together. The rule: once a second the files are looked at; when two
looks agree on a change, the pair is read and checked, and from then on serves new handshakes. A pair that cannot
be used changes nothing but the log and a counter: the one before serves on. Running connections keep their own.

A name is looked for exactly, then as `*.` and what follows its first label (RFC 9525 section 6.3: a wildcard
stands for one label); without a name, or with an unknown one, the first certificate serves: an old client or an
address in the URL then sees a certificate, and decides by itself.
"""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.roles.handshake import AlertingContext
from gateway.spec.certificates import Pair, Unusable, check_authorities, read_pair
from gateway.spec.models import Certificate, ListenerTls

if TYPE_CHECKING:
    from gateway.roles.worker import Worker

log = logging.getLogger("gateway.tls")

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_VERIFY: Final = {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

Look = tuple[tuple[int, int, int] | None, ...]


class Served:
    """One pair of files and what was made of them last."""

    __slots__ = ("context", "files", "known", "names", "seen", "spec")

    def __init__(self, spec: Certificate, ca: str | None) -> None:
        self.spec = spec
        self.files = (spec.cert, spec.key, ca) if ca else (spec.cert, spec.key)
        self.context: ssl.SSLContext | None = None
        self.names: tuple[str, ...] = ()
        self.known: Look = ()
        self.seen: Look = ()

    def changed(self) -> bool:
        """Whether the files changed, and no longer do so."""
        look = tuple(map(_look, self.files))
        settled = look == self.seen and look != self.known
        self.seen = look
        if settled:
            self.known = look
        return settled


class Certificates:
    """What serves the handshakes of one listener."""

    def __init__(self, listener: str, spec: ListenerTls, worker: Worker) -> None:
        self.spec = spec
        self._listener = listener
        self._worker = worker
        ca = spec.client_certificates.ca if spec.client_certificates else None
        self._served = [Served(one, ca) for one in spec.certificates]
        self._by_name: dict[str, ssl.SSLContext] = {}
        for one in self._served:
            one.known = one.seen = tuple(map(_look, one.files))
            self._load(one)
        self._index()

    def context(self) -> ssl.SSLContext | None:
        """For the next handshake; None while no pair of files can be used."""
        return next((one.context for one in self._served if one.context is not None), None)

    def renew(self) -> None:
        """Look at the files, and take up those that have changed."""
        for one in self._served:
            if one.changed():
                self._load(one)
                self._index()

    def retire(self) -> None:
        """Others take over: their dates are told no longer."""
        for one in self._served:
            self._worker.certificate_expiry.pop((self._worker.name, self._listener, one.spec.cert), None)

    def _load(self, one: Served) -> None:
        try:
            pair = self._read(one)
            context = self._context(one.spec)
        except (Unusable, OSError, ValueError) as error:
            self._worker.metrics.certificate_loads.add(self._listener, "failed")
            kept = "the one before serves on" if one.context else "there is none to serve instead"
            log.error("listener %s: certificate %s: %s; %s", self._listener, one.spec.cert, error, kept)
            return
        one.context, one.names = context, pair.names
        self._worker.certificate_expiry[self._worker.name, self._listener, one.spec.cert] = pair.expires
        self._worker.metrics.certificate_loads.add(self._listener, "loaded")
        log.info("listener %s: certificate %s for %s", self._listener, one.spec.cert, ", ".join(pair.names))

    def _read(self, one: Served) -> Pair:
        now = self._worker.runtime.wall()
        if self.spec.client_certificates:
            check_authorities(Path(self.spec.client_certificates.ca), now)
        return read_pair(Path(one.spec.cert), Path(one.spec.key), now)

    def _context(self, files: Certificate) -> ssl.SSLContext:
        """Python's defaults for servers are what Mozilla calls intermediate: forward secrecy, no old ciphers."""
        context = AlertingContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self.spec.min_version]
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.load_cert_chain(files.cert, files.key)
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = self._choose
        if self.spec.client_certificates is not None:
            context.verify_mode = _VERIFY[self.spec.client_certificates.mode]
            context.load_verify_locations(self.spec.client_certificates.ca)
        return context

    def _index(self) -> None:
        self._by_name = {
            name: one.context for one in reversed(self._served) if one.context is not None for name in one.names
        }

    def _choose(self, tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        """Called in the middle of each handshake (RFC 6066 section 3)."""
        asked = (name or "").lower()
        found = self._by_name.get(asked) or self._by_name.get(f"*.{asked.partition('.')[2]}")
        if found is not None:
            tls.context = found


def _look(path: str) -> tuple[int, int, int] | None:
    """Modification time, size and inode; None when there is no such file."""
    try:
        status = os.stat(path)  # noqa: PTH116  (once a second for every file: no Path objects)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
