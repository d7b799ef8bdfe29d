"""Addresses, settings, quality, values to write, certificates: the parts without a server."""

import tomllib
from dataclasses import fields

import numpy as np
import pytest
from asyncua import ua
from cryptography import x509

from baotu.drivers.opcua import DRIVER
from baotu.drivers.opcua.address import parse
from baotu.drivers.opcua.columns import Handles
from baotu.drivers.opcua.gap import Gate
from baotu.drivers.opcua.link import first_certificate
from baotu.drivers.opcua.settings import ClientSettings, ServerSettings
from baotu.drivers.opcua.status import quality_of
from baotu.drivers.opcua.trust import Pki, hosts, thumbprint, uris
from baotu.drivers.opcua.units import UNECE, ucum_of, unit_id
from baotu.drivers.opcua.values import coerced, kind_of
from baotu.drivers.opcua.wire import Columns
from baotu.sdk import ConfigError, Denied, Invalid, Quality, Refused, Samples
from baotu.sdk.settings import described

T = ua.VariantType
NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "node", "index"),
    [
        ("ns=2;s=Pump.Speed", "ns=2;s=Pump.Speed", ""),
        ("i=2258", "i=2258", ""),
        ("ns=0;i=2258", "i=2258", ""),
        ("ns=2;s=Curve[3]", "ns=2;s=Curve", "3"),
        ("ns=2;s=Matrix[1,2]", "ns=2;s=Matrix", "1,2"),
        ("ns=2;s=a;b=c", "ns=2;s=a;b=c", ""),
        ("ns=3;g=12345678-1234-5678-1234-567812345678",) * 2 + ("",),
    ],
)
def test_addresses_are_node_ids_with_an_index(text, node, index):
    found = parse(text)
    assert (found.node, found.index) == (node, index)
    assert found.whole == (text if index else node)


def test_a_namespace_uri_is_found_in_the_server():
    found = parse("nsu=urn:plant;s=Pump[1]")
    assert found.node_id(["a", "b", "urn:plant"]).to_string() == "ns=2;s=Pump"
    with pytest.raises(ValueError, match="not in list"):
        found.node_id(["a"])


@pytest.mark.parametrize("text", ["", "Pump", "ns=2", "s=", "ns=x;s=a", "i=abc", "ns=2;g=nonsense"])
def test_a_wrong_address_names_the_tag_and_shows_right_ones(text):
    with pytest.raises(ConfigError, match=r"press3: line/speed.*ns=2;s=Pump.Speed"):
        parse(text, "press3: line/speed")


def test_every_setting_is_titled_in_both_languages_and_bounded():
    for settings in (ClientSettings, ServerSettings):
        for line in fields(settings):
            facts = described(line)
            assert any("\u4e00" <= letter <= "\u9fff" for letter in facts["title"]), line.name
            assert any("a" <= letter <= "z" for letter in facts["title"]), line.name
            if line.type in ("int", "float"):
                assert facts["low"] is not None and facts["high"] is not None, line.name


def test_the_sample_is_what_the_settings_take():
    text = (
        __import__("pathlib").Path(parse.__code__.co_filename).parent / "sample.toml"
    ).read_text()
    sample = tomllib.loads(text)
    device = {k: v for k, v in sample["device"][0].items() if k not in ("name", "driver", "tag")}
    server = {k: v for k, v in sample["server"][0].items() if k not in ("name", "driver")}
    assert ClientSettings(**device).mode == "sign_and_encrypt"
    assert ServerSettings(**server).open
    assert [parse(tag["address"]).node for tag in sample["device"][0]["tag"]]


@pytest.mark.parametrize(
    ("endpoint", "mode"),
    [
        ("opc.tcp://[::1]:4840", "none"),
        ("opc.tcp://[fd00::7]", "sign_and_encrypt"),
        ("opc.tcp://press3.example:4840/UA", "sign_and_encrypt"),
    ],
)
def test_only_loopback_is_open_by_itself(endpoint, mode):
    assert ClientSettings(endpoint=endpoint).mode == mode
    assert ServerSettings(endpoint=endpoint).open == (mode == "none")


def test_an_open_connection_elsewhere_needs_the_long_name():
    with pytest.raises(ConfigError, match="allow_open_connection_insecure"):
        ClientSettings(endpoint="opc.tcp://[fd00::7]", security="none")
    more = {"security": "none", "allow_open_connection_insecure": True}
    assert ClientSettings(endpoint="opc.tcp://[fd00::7]", **more).mode == "none"


@pytest.mark.parametrize("endpoint", ["", "[::1]:4840", "http://a", "opc.tcp://", "opc.tcp://a:b"])
def test_a_wrong_endpoint_is_told_with_right_ones(endpoint):
    with pytest.raises(ConfigError, match=r"opc\.tcp://name:4840"):
        ClientSettings(endpoint=endpoint)


def columns(handle, value, status=0, time=5, text=False):
    size = len(handle)
    column = np.array(value, object) if text else np.array(value, "f8")
    return Columns(np.array(handle, "i8"), np.full(size, time, "i8"), np.full(size, status, "u4"), column)  # fmt: skip


def handles():
    found = Handles()
    found.add([10, 11, 12, 13], ["number", "boolean", "text", "text"])
    found.names = {13: {0: "Off", 2: "Auto"}}
    return found


def test_one_publication_becomes_one_samples_of_each_kind():
    numbers = columns([0, 1, 2, 3, 3, 999], [1.5, 7.0, 3.0, 2.0, 9.0, 1.0])
    texts = columns([2, 0, 0], ["ready", "2.5", "x"], text=True)
    first, second = handles().samples(numbers, texts, 77)
    assert first.tag.tolist() == [10, 11, 10, 10]
    assert first.value.tolist()[:3] == [1.5, 1.0, 2.5]
    assert first.quality.tolist() == [0, 0, 0, Quality.BAD_DECODING]
    assert second.tag.tolist() == [12, 13, 13, 12]
    assert second.value.tolist() == ["3", "Auto", "9", "ready"]


def test_values_without_time_or_value_are_told_as_such():
    (found,) = handles().samples(columns([0], [NAN], time=0), Columns.none(text=True), 77)
    assert (found.time[0], found.quality[0]) == (77, Quality.BAD_NO_DATA)


def test_status_codes_become_qualities_and_overflows_are_counted():
    mine = handles()
    for code, quality in (
        (0x80340000, Quality.BAD_ADDRESS_UNKNOWN), (0x40900000, Quality.UNCERTAIN_LAST_USABLE),
        (0x80AB0000, Quality.BAD), (0x00000480, Quality.GOOD),
    ):  # fmt: skip
        (found,) = mine.samples(columns([0], [1.0], code), Columns.none(text=True), 0)
        assert found.quality[0] == quality
    assert mine.overflows == 1
    assert quality_of(ua.StatusCodes.BadNotReadable) == Quality.BAD_ACCESS_DENIED


def test_the_gate_holds_only_who_waits_and_keeps_the_order():
    out = []
    gate = Gate(out.append)
    gate.close([1, 2])
    gate.take(Samples.of([0, 1, 2], [10, 10, 10], [0.0, 1.0, 2.0]))
    gate.take(Samples.of([1, 1], [20, 30], [1.5, 1.6]))
    assert [part.tag.tolist() for part in out] == [[0]]
    gate.open(np.array([1]), {1: 20})
    assert [part.time.tolist() for part in out[1:]] == [[30]]
    gate.open(np.array([2]))
    assert out[-1].value.tolist() == [2.0]
    gate.take(Samples.of([1, 2], [40, 40], [5.0, 6.0]))
    assert out[-1].tag.tolist() == [1, 2]
    assert gate.held == 0


@pytest.mark.parametrize(
    ("value", "kind", "made"),
    [
        (3.0, T.Int16, 3), ("7", T.UInt32, 7), (1.0, T.Boolean, True), ("off", T.Boolean, False),
        (2.5, T.String, "2.5"), ("a", T.LocalizedText, ua.LocalizedText("a")), (1.5, T.Float, 1.5),
        ("Auto", T.Int32, 2),
    ],
)  # fmt: skip
def test_values_take_the_type_of_the_node(value, kind, made):
    assert coerced(value, kind, {2: "Auto"}) == made


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1.5, T.Int16), (70000.0, T.UInt16), (-1.0, T.Byte), ("x", T.Double), (2.0, T.Boolean),
     (1e300, T.Float), (1e300, T.DateTime), (NAN, T.Int32)],
)  # fmt: skip
def test_values_that_do_not_fit_are_invalid(value, kind):
    with pytest.raises(Invalid) as error:
        coerced(value, kind)
    assert error.value.field == "value"


def test_types_that_cannot_be_written_are_refused():
    with pytest.raises(Refused, match="ExtensionObject"):
        coerced(1.0, T.ExtensionObject)


def test_kinds_and_units_follow_the_tables():
    assert [kind_of(t) for t in ("i=1", "i=11", "i=12", "i=21", "ns=2;i=5")] == [
        "boolean", "number", "text", "text", "number",
    ]  # fmt: skip
    assert all(ucum_of(unit_id(ucum)) == ucum for ucum in UNECE)
    assert (unit_id("furlong"), ucum_of(-1), ucum_of(7)) == (None, "", "")


def test_own_certificate_is_made_once_and_says_who_we_are(tmp_path):
    pki = Pki(tmp_path / "pki", "urn:me")
    der, key = pki.own("::1", "press3")
    assert pki.own() == (der, key)
    made = x509.load_der_x509_certificate(der)
    assert uris(made) == ["urn:me"]
    assert {"::1", "press3"} <= hosts(made)
    assert pki.key_file.stat().st_mode & 0o077 == 0
    assert first_certificate(der + b"chain") == der
    with pytest.raises(ConfigError, match="application_uri"):
        Pki(tmp_path / "pki", "urn:other").own()


def test_strangers_are_kept_for_a_decision_and_trusted_once_moved(tmp_path):
    ours, theirs = Pki(tmp_path / "a", "urn:a"), Pki(tmp_path / "b", "urn:b")
    der, _ = theirs.own("press3")
    with pytest.raises(Denied, match="not trusted") as error:
        ours.demand(der, "urn:b")
    name = f"{thumbprint(x509.load_der_x509_certificate(der))}.der"
    assert name in str(error.value)
    (tmp_path / "a" / "trusted").mkdir()
    (tmp_path / "a" / "rejected" / name).rename(tmp_path / "a" / "trusted" / name)
    ours.demand(der, "urn:b")
    with pytest.raises(Denied, match="shows a certificate for urn:b"):
        ours.demand(der, "urn:c")
    with pytest.raises(Denied, match="no certificate"):
        ours.demand(b"garbage", "urn:b")


def test_the_driver_entry_is_complete():
    assert DRIVER.client.Settings is ClientSettings
    assert DRIVER.server.Settings is ServerSettings
    assert "ns=2;s=" in DRIVER.address_help
