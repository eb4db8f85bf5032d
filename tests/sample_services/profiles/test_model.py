import pytest
from pydantic import ValidationError

from sample_services.profiles.model import Changes, NewProfile, Profile


def _new(**fields: object) -> NewProfile:
    return NewProfile.model_validate(
        {"username": "dora", "full_name": "Dora Sample", "email": "dora@shop.example", **fields}
    )


def test_only_name_and_address_are_needed() -> None:
    assert _new().phone == ""
    assert _new().loyalty_points == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "Dora"),
        ("username", "d"),
        ("username", "d" * 33),
        ("username", "soap"),  # a path of this service
        ("username", "openapi.json"),
        ("full_name", ""),
        ("full_name", "x" * 121),
        ("full_name", "Do\x00ra"),
        ("full_name", "Do\nra"),
        ("full_name", "Do\x85ra"),
        ("street", "\ufffe"),
        ("city", "\uffff"),
        ("email", "dora"),
        ("email", "dora@shop"),
        ("email", "dora@shop.example\n"),
        ("phone", "555"),
        ("country", "gb"),
        ("loyalty_points", -1),
        ("loyalty_points", "5"),
        ("is_admin", True),
    ],
)
def test_other_values_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        _new(**{field: value})


def test_names_of_the_whole_world_are_fine() -> None:
    assert _new(full_name="Zoë Nguyễn-O’Brien 王小明 👋").full_name.startswith("Zoë")


def test_changes_hold_only_what_was_given() -> None:
    assert Changes(city="Sampleton", phone="").given() == {"city": "Sampleton", "phone": ""}


@pytest.mark.parametrize("body", ["{}", '{"city": null}', '{"username": "x1"}', '{"version": 9}'])
def test_changes_must_change_something_that_may_change(body: str) -> None:
    with pytest.raises(ValidationError):
        Changes.model_validate_json(body)


def test_versions_start_at_one() -> None:
    with pytest.raises(ValidationError):
        Profile(**_new().model_dump(), version=0)
