from sample_services.traffic.report import Report


def test_counts_are_told_once() -> None:
    report = Report()
    for status in (200, 200, 403):
        report.answer(status)
    report.unreachable()
    report.journey("browse", "as_expected")
    report.journey("browse", "unexpected", example="GET /products answered 503, not [200]")
    report.journey("order", "unreachable")
    assert report.take() == {
        "requests": 4,
        "statuses": {"200": 2, "403": 1},
        "unreachable": 1,
        "journeys": {"browse": {"as_expected": 1, "unexpected": 1}, "order": {"unreachable": 1}},
        "examples": {"browse": "GET /products answered 503, not [200]"},
    }
    assert report.take() == {"requests": 0, "statuses": {}, "unreachable": 0, "journeys": {}, "examples": {}}
