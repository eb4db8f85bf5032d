"""Stores: unique names, one place each, and a password that is said once and readable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath

from gateway.spec.checks.clusters import endpoint_problem
from gateway.spec.checks.finding import Finding, Path, duplicates
from gateway.spec.models import Spec, Store


def check_stores(spec: Spec) -> Iterator[Finding]:
    """Everything about stores; whether filters name existing ones is checked with the filters."""
    yield from duplicates((store.name for store in spec.stores), ("stores",), "store")
    for index, store in enumerate(spec.stores):
        yield from _check_place(store, ("stores", index))
        yield from _check_password(store, ("stores", index))


def _check_place(store: Store, path: Path) -> Iterator[Finding]:
    if (store.service is None) == (store.address is None):
        yield Finding(path, f'store "{store.name}" needs either service: redis (the supervisor\'s) or an address')
    elif store.address is not None and (problem := endpoint_problem(store.address)):
        yield Finding((*path, "address"), f'"{store.address}" is not an address: {problem}')


def _check_password(store: Store, path: Path) -> Iterator[Finding]:
    if store.service is not None and (store.user or store.password or store.password_file or store.tls):
        yield Finding(path, "the supervisor knows user, password and tls of its own Redis; take them out here")
    elif store.password is not None and store.password_file is not None:
        yield Finding(path, f'store "{store.name}" has both password and passwordFile; keep one')
    elif store.user and store.password is None and store.password_file is None:
        yield Finding((*path, "user"), "a user needs a password or passwordFile")
    if store.password_file is not None:
        yield from _check_file(FilePath(store.password_file), (*path, "passwordFile"))


def _check_file(file: FilePath, path: Path) -> Iterator[Finding]:
    try:
        with file.open("rb") as opened:
            found, mode = opened.read(4_096).strip(), os.fstat(opened.fileno()).st_mode
    except OSError as error:
        yield Finding(path, f"{file.name} cannot be read: {error.strerror}")
        return
    if not found:
        yield Finding(path, f"{file.name} is empty")
    if mode & 0o004:
        yield Finding(path, f"every user of this machine can read {file.name}: chmod o= {file.name}")
