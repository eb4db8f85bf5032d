"""Settings, metrics and telemetry for the kit's unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sample_services.kit.metrics import Metrics
from sample_services.kit.settings import Settings
from sample_services.kit.telemetry import Telemetry


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(service="orders", instance="orders-1", data_dir=tmp_path)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def telemetry(settings: Settings, metrics: Metrics) -> Iterator[Telemetry]:
    telemetry = Telemetry(settings, metrics)
    yield telemetry
    telemetry.close()
