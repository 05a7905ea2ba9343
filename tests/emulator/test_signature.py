"""Signatures: the vectors of the documentation, what must be accepted, and what must be refused."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siem_emulator import EmulatorServer, errors, signature
from siem_emulator.service import Service
from siem_emulator.settings import Settings
from siem_emulator.wire import Call
from siem_emulator.world import World
from tests.emulator.signing import FORM, STS, Client, utc

PARAMETERS = {"ProductCode": "sas", "LogCode": "cloud_siem_aegis_proc"}
BODY = b"LogCode=cloud_siem_aegis_proc&ProductCode=sas"

EMPTY = hashlib.sha256(b"").hexdigest()


# --- the vectors ---------------------------------------------------------------------------------


def test_the_example_of_the_official_page_has_the_printed_signature() -> None:
    """See https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature."""
    call = Call(
        method="POST",
        target=(
            "/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
        ),
        headers={
            "host": "ecs.cn-shanghai.aliyuncs.com",
            "x-acs-action": "RunInstances",
            "x-acs-content-sha256": EMPTY,
            "x-acs-date": "2023-10-26T10:22:32Z",
            "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
            "x-acs-version": "2014-05-26",
        },
    )

    canonical = signature.canonical_request(call, sorted(call.headers))

    assert signature.string_to_sign(canonical).split("\n") == [
        "ACS3-HMAC-SHA256",
        "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259",
    ]
    assert (
        signature.sign_acs3(canonical, "YourAccessKeySecret")
        == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_a_recorded_call_of_the_sdk_has_its_signature() -> None:
    body = (
        b"LogCode=cloud_siem_aegis_proc&ProductCode=sas&RegionId=cn-hangzhou"
        b"&RoleFor=1130916744880000&RoleType=1"
    )
    call = Call(
        method="POST",
        target="/",
        headers={
            "host": "127.0.0.1:18080",
            "x-acs-version": "2022-06-16",
            "x-acs-action": "CloseDelivery",
            "user-agent": "vector/1",
            "x-acs-date": "2025-10-09T00:00:00Z",
            "x-acs-signature-nonce": "00000000000000000000000000000001",
            "accept": "application/json",
            "content-type": FORM,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-acs-credentials-provider": "static_ak",
        },
        body=body,
    )

    canonical = signature.canonical_request(call, sorted(call.headers))

    assert signature.string_to_sign(canonical).endswith(
        "\n3a8cee2d529c2db10329a32bf0ee2135374f3f527d19be333f82e1a2a19f270c"
    )
    assert (
        signature.sign_acs3(canonical, "testsecret")
        == "33e0cfb98aa06d9663b95f5ca8f233ca0527c5b1d642a6d773f28a898062d93e"
    )


def test_query_pairs_are_sorted_by_name_and_not_as_joined_text() -> None:
    assert signature.canonical_query([("a-b", "1"), ("a", "2")]) == "a=2&a-b=1"


def test_query_values_are_encoded_as_in_rfc_3986() -> None:
    assert signature.canonical_query([("k", "a b*~/é"), ("e", "")]) == "e=&k=a%20b%2A~%2F%C3%A9"


# --- accepted ------------------------------------------------------------------------------------


def test_a_well_signed_call_is_accepted(client: Client) -> None:
    assert client.call("OpenDelivery", **PARAMETERS).data is True


def test_the_fewest_headers_that_the_rules_allow_are_enough(client: Client) -> None:
    """Neither accept nor user-agent need to be signed, nor sent."""
    headers = client.headers("ListDelivery")

    assert client.send("POST", "/", client.signed("POST", "/", headers)).status == 200


def test_headers_that_were_not_signed_are_no_matter_unless_they_must_be(client: Client) -> None:
    headers = client.signed("POST", "/", client.headers("ListDelivery"))

    assert client.send("POST", "/", headers | {"accept": "*/*", "x-trace": "1"}).status == 200


def test_header_names_may_be_written_in_any_case(client: Client) -> None:
    headers = client.signed("POST", "/", client.headers("OpenDelivery", body=BODY))
    shouted = {name.upper(): value for name, value in headers.items()}

    assert client.send("POST", "/", shouted, BODY).status == 200


def test_blanks_around_header_values_are_not_signed(client: Client) -> None:
    headers = client.signed("POST", "/", client.headers("ListDelivery", x_acs_extra="  a b  "))

    assert client.send("POST", "/", headers).status == 200


@pytest.mark.parametrize("odd", ["\xa0", "\x85", "\x1f"])
@pytest.mark.parametrize("name", ["host", "x-acs-signature-nonce", "Authorization"])
def test_only_blanks_of_http_are_blanks(name: str, odd: str) -> None:
    """Python takes more than these off the ends of a text."""
    headers = SIGNER.signed("POST", "/", SIGNER.headers("CloseDelivery", body=BODY))
    headers[name] += odd
    lower = {key.lower(): value for key, value in headers.items()}

    answer = SERVICE.answer(
        SERVICE.arrive(Call(method="POST", target="/", headers=lower, body=BODY))
    )

    assert (answer.status in (400, 404), answer.changed) == (True, 0)


def test_a_chunked_body_is_accepted(client: Client) -> None:
    headers = client.signed("POST", "/", client.headers("OpenDelivery", body=BODY))
    connection = http.client.HTTPConnection(client.host, timeout=10)
    chunks: Iterator[bytes] = iter([BODY[:7], BODY[7:]])

    connection.request("POST", "/", chunks, headers, encode_chunked=True)
    response = connection.getresponse()

    assert (response.status, b'"Data":true' in response.read()) == (200, True)
    connection.close()


def test_a_get_with_all_parameters_in_the_query_is_accepted(client: Client) -> None:
    target = "/?LogCode=cloud_siem_aegis_proc&ProductCode=sas"
    headers = client.signed("GET", target, client.headers("OpenDelivery"))

    assert client.send("GET", target, headers).data is True


def test_action_and_version_may_stand_among_the_parameters(client: Client) -> None:
    target = "/?Action=ListDelivery&Version=2022-06-16"
    headers = client.headers("")
    del headers["x-acs-action"], headers["x-acs-version"]

    assert client.send("POST", target, client.signed("POST", target, headers)).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_older_signature_is_accepted(client: Client, method: str) -> None:
    answer = client.call_v1(method, "GetCallerIdentity", Note="a b*c~d/é&=+")

    assert answer.status == 200, answer.raw


def test_values_of_every_kind_can_be_signed(client: Client) -> None:
    """The server rebuilds what it checks from what it received."""
    assert client.call("ListDelivery", RegionId="cn-hangzhou", Note="é&=+~* \n").status == 200


# --- refused -------------------------------------------------------------------------------------


def test_another_secret_is_refused(client: Client) -> None:
    wrong = dataclasses.replace(client, secret="testsecret-of-somebody")
    answer = wrong.call("ListDelivery")

    assert (answer.status, answer.code) == (400, "SignatureDoesNotMatch")


def test_an_unknown_key_is_refused(client: Client) -> None:
    unknown = dataclasses.replace(client, key_id="testid-nobody")
    answer = unknown.call("ListDelivery")

    assert (answer.status, answer.code) == (404, "InvalidAccessKeyId.NotFound")


def test_a_changed_body_is_refused(client: Client) -> None:
    headers = client.signed("POST", "/", client.headers("CloseDelivery", body=BODY))
    answer = client.send("POST", "/", headers, BODY.replace(b"proc", b"port"))

    assert (answer.status, answer.code) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize("name", ["x-acs-signature-nonce", "x-acs-action", "x-acs-date"])
def test_a_changed_header_is_refused(client: Client, name: str) -> None:
    headers = client.signed("POST", "/", client.headers("ListDelivery"))
    others = {
        "x-acs-signature-nonce": "0" * 32,
        "x-acs-action": "ListRdUsers",
        "x-acs-date": utc(-1),
    }
    answer = client.send("POST", "/", headers | {name: others[name]})

    assert (answer.status, answer.code) == (400, "SignatureDoesNotMatch")


def test_a_changed_query_is_refused(client: Client) -> None:
    headers = client.signed("POST", "/?RoleType=0", client.headers("ListDelivery"))
    answer = client.send("POST", "/?RoleType=1", headers)

    assert (answer.status, answer.code) == (400, "SignatureDoesNotMatch")


def test_the_same_call_again_is_refused(client: Client) -> None:
    headers = client.signed("POST", "/", client.headers("ListDelivery"))
    first, again = client.send("POST", "/", headers), client.send("POST", "/", headers)

    assert first.status == 200
    assert (again.status, again.code) == (400, "SignatureNonceUsed")


def test_the_same_older_call_again_is_refused(client: Client) -> None:
    text = client.v1("GET", "GetCallerIdentity")
    first, again = (client.send("GET", f"/?{text}", {"host": client.host}) for _ in range(2))

    assert first.status == 200
    assert (again.status, again.code) == (400, "SignatureNonceUsed")


def test_a_refused_call_does_not_use_its_nonce_up(client: Client) -> None:
    """Otherwise anybody who guesses a nonce could keep its owner out."""
    headers = client.headers("ListDelivery")
    wrong = dataclasses.replace(client, secret="testsecret-of-somebody")
    client.send("POST", "/", wrong.signed("POST", "/", headers))

    assert client.send("POST", "/", client.signed("POST", "/", headers)).status == 200


@pytest.mark.parametrize("offset_s", [-16 * 60, 16 * 60])
def test_a_date_more_than_a_quarter_of_an_hour_off_is_refused(
    client: Client, offset_s: int
) -> None:
    headers = client.headers("ListDelivery", x_acs_date=utc(offset_s))
    answer = client.send("POST", "/", client.signed("POST", "/", headers))

    assert (answer.status, answer.code) == (400, "InvalidTimeStamp.Expired")


@pytest.mark.parametrize("offset_s", [-14 * 60, 14 * 60])
def test_a_date_less_than_a_quarter_of_an_hour_off_is_accepted(
    client: Client, offset_s: int
) -> None:
    headers = client.headers("ListDelivery", x_acs_date=utc(offset_s))

    assert client.send("POST", "/", client.signed("POST", "/", headers)).status == 200


@pytest.mark.parametrize("date", ["yesterday", "2025-13-01T00:00:00Z", "2025-01-01 00:00:00"])
def test_a_date_that_is_none_is_refused(client: Client, date: str) -> None:
    headers = client.headers("ListDelivery", x_acs_date=date)
    answer = client.send("POST", "/", client.signed("POST", "/", headers))

    assert (answer.status, answer.code) == (400, "InvalidTimeStamp.Format")


def test_an_unsigned_x_acs_header_is_refused(client: Client) -> None:
    headers = client.signed("POST", "/", client.headers("ListDelivery"))
    answer = client.send("POST", "/", headers | {"x-acs-extra": "1"})

    assert (answer.status, answer.code) == (400, "IncompleteSignature")


def test_an_unsigned_content_type_is_refused(client: Client) -> None:
    headers = client.headers("OpenDelivery", body=BODY)
    kind = headers.pop("content-type")
    signed = client.signed("POST", "/", headers)
    answer = client.send("POST", "/", signed | {"content-type": kind}, BODY)

    assert (answer.status, answer.code) == (400, "IncompleteSignature")


def test_an_unsigned_host_is_refused(client: Client) -> None:
    headers = client.headers("ListDelivery")
    host = headers.pop("host")
    answer = client.send("POST", "/", client.signed("POST", "/", headers) | {"host": host})

    assert (answer.status, answer.code) == (400, "IncompleteSignature")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x-acs-date", "MissingTimestamp"),
        ("x-acs-signature-nonce", "MissingSignatureNonce"),
        ("x-acs-content-sha256", "MissingContentSha256"),
        ("x-acs-action", "MissingAction"),
        ("x-acs-version", "MissingVersion"),
    ],
)
def test_a_missing_part_is_named(client: Client, name: str, code: str) -> None:
    headers = client.headers("ListDelivery")
    signed = client.signed("POST", "/", headers)
    del signed[name]
    listed = signed["Authorization"].replace(f"{name};", "").replace(f";{name}", "")
    answer = client.send("POST", "/", signed | {"Authorization": listed})

    assert (answer.status, answer.code) == (400, code)


def test_a_call_without_any_signature_is_refused(client: Client) -> None:
    answer = client.send("POST", "/", client.headers("ListDelivery"))

    assert (answer.status, answer.code) == (400, "MissingAccessKeyId")


@pytest.mark.parametrize(
    "authorization",
    ["Bearer abc", "ACS3-HMAC-SHA256 Credential=testid", "", "ACS3-HMAC-SHA256 " + "x" * 5000],
)
def test_an_authorization_of_another_form_is_refused(client: Client, authorization: str) -> None:
    headers = client.headers("ListDelivery") | {"Authorization": authorization}
    answer = client.send("POST", "/", headers)

    assert (answer.status, answer.code) == (400, "IncompleteSignature")


def test_signed_headers_out_of_order_are_refused(client: Client) -> None:
    headers = client.signed("POST", "/", client.headers("ListDelivery"))
    swapped = headers["Authorization"].replace("host;x-acs-action", "x-acs-action;host")
    answer = client.send("POST", "/", headers | {"Authorization": swapped})

    assert (answer.status, answer.code) == (400, "IncompleteSignature")


def test_a_changed_older_call_is_refused(client: Client) -> None:
    text = client.v1("GET", "GetCallerIdentity", Note="a").replace("Note=a", "Note=b")
    answer = client.send("GET", f"/?{text}", {"host": client.host})

    assert (answer.status, answer.code) == (400, "SignatureDoesNotMatch")


def test_a_refusal_names_what_the_server_signed(client: Client) -> None:
    wrong = dataclasses.replace(client, secret="testsecret-of-somebody")

    assert "server string to sign is:ACS3-HMAC-SHA256" in wrong.call("ListDelivery").body["Message"]


# --- fuzz ----------------------------------------------------------------------------------------

SERVICE = Service(World.build(), settings=Settings())
KEY = SERVICE.world.first.keys[0]
SIGNER = Client("127.0.0.1:1", KEY.id, KEY.secret)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_change_of_any_signed_byte_is_refused(data: st.DataObject) -> None:
    """Each header, the method, the query and the body, at any place, by any character."""
    target = "/?RoleType=0"
    headers = SIGNER.signed("POST", target, SIGNER.headers("CloseDelivery", body=BODY))
    parts = {**headers, "(target)": target, "(body)": BODY.decode()}
    name = data.draw(st.sampled_from(sorted(parts)))
    changed = _changed(data, parts[name])
    parts[name] = changed

    answer = SERVICE.answer(
        SERVICE.arrive(
            Call(
                method="POST",
                target=parts.pop("(target)"),
                body=parts.pop("(body)").encode("utf-8", "surrogatepass"),
                headers={key.lower(): value for key, value in parts.items()},
            )
        )
    )

    assert answer.status in (400, 404), (name, changed)
    assert answer.changed == 0


def _changed(data: st.DataObject, text: str) -> str:
    """The text with one character more, less, or other than it was."""
    at = data.draw(st.integers(0, len(text) - 1))
    # Blanks around a value are not part of it, so only what is seen counts as a change.
    char = data.draw(st.characters(codec="latin-1", categories=("L", "N", "P", "S")))
    how = data.draw(st.sampled_from(["more", "less", "other"]))
    new = {
        "more": text[:at] + char + text[at:],
        "less": text[:at] + text[at + 1 :],
        "other": text[:at] + char + text[at + 1 :],
    }[how]

    return new if new != text else text + char


@settings(max_examples=200, deadline=None)
@given(
    authorization=st.text(max_size=200),
    target=st.text(max_size=50),
    body=st.binary(max_size=200),
    headers=st.dictionaries(st.text(max_size=20).map(str.lower), st.text(max_size=50), max_size=8),
)
def test_noise_is_answered_with_an_error_and_not_with_a_crash(
    authorization: str, target: str, body: bytes, headers: dict[str, str]
) -> None:
    call = Call(
        method="POST",
        target="/" + target,
        headers={"content-type": FORM, **headers, "authorization": authorization},
        body=body,
    )

    assert SERVICE.answer(SERVICE.arrive(call)).status in (400, 404)


# --- the memory of nonces ------------------------------------------------------------------------


def test_a_nonce_is_remembered_for_as_long_as_its_date_is_accepted() -> None:
    now = [1000.0]
    nonces = signature.Nonces(lambda: now[0])
    nonces.use("testid", "a")

    now[0] += 2 * signature.WINDOW_S
    assert not nonces.use("testid", "a")


def test_nonces_are_forgotten_some_day() -> None:
    now = [1000.0]
    nonces = signature.Nonces(lambda: now[0])
    nonces.use("testid", "a")
    for _ in range(2):
        now[0] += 2 * signature.WINDOW_S + 1
        nonces.use("testid", f"other-{now[0]}")

    assert nonces.use("testid", "a")


def test_two_keys_may_use_the_same_nonce() -> None:
    nonces = signature.Nonces(lambda: 0.0)

    assert nonces.use("testid-a", "n")
    assert nonces.use("testid-b", "n")


def test_every_error_has_a_code_and_a_sentence() -> None:
    def leaves(kind: type[errors.CloudError]) -> Iterator[type[errors.CloudError]]:
        for each in kind.__subclasses__():
            yield each
            yield from leaves(each)

    assert {each.status for each in leaves(errors.CloudError)} <= {400, 403, 404, 405, 500}


def test_an_identity_call_needs_no_body(client: Client, siem: EmulatorServer) -> None:
    answer = client.call("GetCallerIdentity", version=STS)

    assert answer.body["AccountId"] == siem.world.first.id
