"""The OpenAPI document says what is served, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

from sample_services.kit.contract import read_contract
from sample_services.kit.service import Service
from sample_services.kit.settings import Settings
from sample_services.reports.api import Api
from sample_services.reports.queries import VERSIONS, Reports
from tests.sample_services.contracts import check_document


async def test_the_document(tmp_path: Path) -> None:
    service = Service(
        Settings(service="reports", instance="reports-1", data_dir=tmp_path), logging.getLogger("reports")
    )
    await service.open("", lambda *_: None)
    service.app.add_routes(Api(service, Reports("v1")).routes())
    check_document(read_contract("reports"), service.app)
    await service.close()
    assert read_contract("reports")["components"]["schemas"]["Version"]["enum"] == list(VERSIONS)
