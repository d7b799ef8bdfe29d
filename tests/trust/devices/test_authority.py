"""The authority: a root that is kept away, issuing certificates below it, what they sign."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509

from baotu.sdk import ConfigError
from baotu.trust.devices import root
from baotu.trust.devices.authority import Authority, der, issued_by
from baotu.trust.devices.keys import digest_of, make_key, read_key, write_key
from baotu.trust.devices.names import Identity, identity_of
from baotu.trust.devices.profiles import PROFILES

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
PRESS = Identity(organisation="泉城 plant", kind="device", name="press-3", serial="S-1")
WEEK = dt.timedelta(days=7)


class Moving:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> int:
        return int(self.time.timestamp()) * 10**9


@pytest.fixture
def clock() -> Moving:
    return Moving()


@pytest.fixture
def authority(tmp_path: Path, clock: Moving) -> Authority:
    root.begin(tmp_path / "ca", "plant", tmp_path / "root.key", now=NOW)
    return Authority(tmp_path / "ca", clock.now, url="http://[2001:db8::5]:8081")


def test_the_roots_key_is_nowhere_on_the_node_and_no_key_is_readable_by_others(
    authority: Authority, tmp_path: Path
) -> None:
    own = digest_of(read_key(tmp_path / "root.key").public_key())
    keys = list((tmp_path / "ca").glob("*.key"))
    assert [digest_of(read_key(k).public_key()) != own for k in keys] == [True]
    assert {stat.S_IMODE(k.stat().st_mode) for k in [*keys, tmp_path / "root.key"]} == {0o600}


def test_an_issuing_certificate_signs_no_further_authority(authority: Authority) -> None:
    [issuer] = authority.issuers
    of = issuer.certificate.extensions.get_extension_for_class
    assert (of(x509.BasicConstraints).value.ca, of(x509.BasicConstraints).value.path_length) == (True, 0)  # fmt: skip
    assert of(x509.BasicConstraints).critical and of(x509.KeyUsage).value.key_cert_sign


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_certificate_has_the_uses_of_its_profile_and_no_others(
    authority: Authority, profile: str
) -> None:
    made = authority.issue(make_key().public_key(), PRESS, WEEK, profile=profile)
    of = made.extensions.get_extension_for_class
    assert tuple(of(x509.ExtendedKeyUsage).value) == PROFILES[profile].uses
    assert not of(x509.BasicConstraints).value.ca
    assert of(x509.KeyUsage).value.digital_signature and not of(x509.KeyUsage).value.key_cert_sign
    places = {x509.CRLDistributionPoints, x509.AuthorityInformationAccess}
    found = {type(e.value) for e in made.extensions}
    assert places <= found if profile != "ocsp" else not places & found


def test_who_a_certificate_is_about_is_read_back_whole(authority: Authority) -> None:
    made = authority.issue(make_key().public_key(), PRESS, WEEK, names=["a.example", "2001:db8::1"])
    assert identity_of(made) == PRESS
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["2001:db8::1"]


def test_serial_numbers_are_random_positive_and_twenty_octets_at_most(authority: Authority) -> None:
    public = make_key().public_key()
    serials = {authority.issue(public, PRESS, WEEK).serial_number for _ in range(200)}
    assert len(serials) == 200
    assert all(0 < s < 2**159 and s.bit_length() == 159 for s in serials)


def test_a_certificate_never_outlives_its_issuer(authority: Authority, clock: Moving) -> None:
    clock.time = authority.current.certificate.not_valid_after_utc - dt.timedelta(hours=1)
    made = authority.issue(make_key().public_key(), PRESS, WEEK)
    assert made.not_valid_after_utc == authority.current.certificate.not_valid_after_utc
    clock.time += dt.timedelta(hours=2)
    with pytest.raises(ConfigError, match="has expired"):
        authority.issue(make_key().public_key(), PRESS, WEEK)


def test_after_a_renewal_the_new_one_signs_and_the_old_one_is_still_trusted(
    authority: Authority, clock: Moving, tmp_path: Path
) -> None:
    before = authority.issue(make_key().public_key(), PRESS, WEEK)
    clock.time += dt.timedelta(days=700)
    root.renew(tmp_path / "ca", tmp_path / "root.key", now=clock.time)
    authority.reload()
    assert [i.number for i in authority.issuers] == [2, 1]
    after = authority.issue(make_key().public_key(), PRESS, WEEK)
    numbers = [authority.issuer_of(c).number for c in (before, after)]  # type: ignore[union-attr]
    assert numbers == [1, 2]
    clock.time += dt.timedelta(days=500)
    assert [i.number for i in authority.issuers] == [2]
    assert authority.issuer_of(before) is not None, "expired, and still known for what it was"


def test_the_root_may_be_made_and_kept_on_another_machine(tmp_path: Path) -> None:
    away, ca = tmp_path / "away", tmp_path / "ca"
    away.mkdir()
    key, top = root.make_root("plant", now=NOW, algorithm="ed25519")
    write_key(away / "root.key", key, b"long words")
    root.adopt_root(ca, top)
    asked = root.request_issuing(ca)
    assert not Authority.present(ca)
    made = root.sign_issuing(read_key(away / "root.key", b"long words"), top, asked, now=NOW)
    assert root.take_issuing(ca, made) == 1
    authority = Authority(ca, Moving().now)
    assert issued_by(authority.current.certificate, top)
    with pytest.raises(ConfigError, match="passphrase"):
        read_key(away / "root.key", b"other words")


def test_a_certificate_of_another_root_or_that_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    key, top = root.make_root("plant", now=NOW)
    other_key, other = root.make_root("plant", now=NOW)
    root.adopt_root(ca, top)
    asked = root.request_issuing(ca)
    with pytest.raises(ConfigError, match="not issued by this root"):
        root.take_issuing(ca, root.sign_issuing(other_key, other, asked, now=NOW))
    with pytest.raises(ConfigError, match="not that of this root"):
        root.sign_issuing(other_key, top, asked, now=NOW)
    made = root.sign_issuing(key, top, asked, now=NOW)
    root.take_issuing(ca, made)
    with pytest.raises(ConfigError, match="not asked for here"):
        root.take_issuing(ca, made)
    with pytest.raises(ConfigError, match="no root certificate"):
        root.adopt_root(tmp_path / "b", made)


def test_a_second_authority_does_not_replace_the_first(
    authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="already"):
        root.begin(tmp_path / "ca", "plant", tmp_path / "second.key", now=NOW)
    assert not (tmp_path / "second.key").exists()
    assert der(authority.root) == der(Authority(tmp_path / "ca", Moving().now).root)
