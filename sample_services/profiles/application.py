"""Puts the profiles service together."""

from __future__ import annotations

import sqlite3

from sample_services.kit.component import Component
from sample_services.kit.service import Service
from sample_services.kit.settings import Settings
from sample_services.profiles import seeds, store
from sample_services.profiles.delivery import Delivery, outcome_counter
from sample_services.profiles.operations import Profiles
from sample_services.profiles.rest import RestFace
from sample_services.profiles.soap.endpoint import SoapFace


async def setup(service: Service) -> None:
    """One domain, two faces, and the sender of credential resets."""
    outcomes = outcome_counter(service.metrics.registry)
    delivery = Delivery(service.db, service.http, service.telemetry, outcomes, service.log)
    profiles = Profiles(service.db, recovered=delivery.wake, weak=service.weak)
    SoapFace(service, profiles).add_routes(service.app)
    RestFace(service, profiles).add_routes(service.app)
    service.background(delivery.run, "credential resets", alone=True)


def seed(connection: sqlite3.Connection, settings: Settings) -> None:
    """The profiles of a new shop."""
    seeds.fill(connection)


COMPONENT = Component("profiles", setup, store.SCHEMA, seed)
