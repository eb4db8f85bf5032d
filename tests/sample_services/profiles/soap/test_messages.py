from lxml import etree

from sample_services.profiles.model import Profile
from sample_services.profiles.soap.contract import NAMESPACE, Contract
from sample_services.profiles.soap.messages import answer, profile_element, values


def _request(inside: str) -> etree._Element:
    return etree.fromstring(f'<UpdateProfile xmlns="{NAMESPACE}">{inside}</UpdateProfile>')


def test_values_have_the_domains_names_and_types() -> None:
    inside = "<username>bob</username><version> 3 </version><fullName/><loyaltyPoints>+5</loyaltyPoints>"
    assert values(_request(inside)) == {"username": "bob", "version": 3, "full_name": "", "loyalty_points": 5}


def test_a_value_is_the_whole_text() -> None:
    assert values(_request("<username>ad<!-- -->min</username>")) == {"username": "admin"}


def test_a_profile_is_written_as_the_contract_says() -> None:
    profile = Profile(username="bob", full_name="Bob <&>", email="bob@shop.example", version=7)
    Contract("http://gateway.example").check(answer("ReadProfile", profile_element(profile)))
    assert Profile(**values(profile_element(profile))) == profile
