#!/usr/bin/env python3
"""The zoo: client certificates that are wrong, each in one way, and a few that are right.

usage: make_zoo.py DIRECTORY

Writes DIRECTORY/anchors.pem, one PEM file for each animal (leaf first, then what the client sends with it) and
DIRECTORY/animals, a line for each, tab-separated:

    name  outcome  judgement  chain file  key file

outcome is what a client sees: `ok`, `ok-1.3` (refused with TLS 1.2, where gRPC takes P-256 as the only curve), `refused`
(no connection), or `nameless` (a connection, and every call is answered with UNAUTHENTICATED and
CERTIFICATE_IDENTITY_INVALID).  judgement is what crypto/x509_peer.c must say by itself, without
TLS before it: fit, unfit, untrusted, untimely, nameless; `-` when there is nothing to judge.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from der import (ANY_USAGE, AUTHORITY_KEY, CERT_SIGN, CLIENT_AUTH, CODE_SIGNING, CRL_SIGN,  # noqa: E402
                 DIGITAL_SIGNATURE, EXTENDED_KEY_USAGE, ISSUER_ALT_NAME, KEY_AGREEMENT, KEY_ENCIPHERMENT, MD5,
                 SERVER_AUTH, SHA1, SHA224, SHA384, SHA512, SUBJECT_ALT_NAME, Key, alt_names, basic_constraints,
                 certificate, dns, email, extended_key_usage, extension, integer, key_usage, name_constraints, oid,
                 openssl, pem, sequence, tlv, uri)

OURS = "spiffe://dues.local/service/zoo"
LEAF = (basic_constraints(False), key_usage(DIGITAL_SIGNATURE), extended_key_usage(CLIENT_AUTH))
AUTHORITY = (basic_constraints(True), key_usage(CERT_SIGN, CRL_SIGN))


class Zoo:
    def __init__(self, directory):
        self.directory = directory
        self.animals = []
        self.keys = {}
        self.root = self.key("ec-root")
        self.sub = self.key("ec-sub")
        self.leaf = self.key("ec-leaf")
        self.root_der = certificate("zoo root", self.root, "zoo root", self.root, AUTHORITY)

    def key(self, label, *kind):
        if label not in self.keys:
            kind = kind or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
            self.keys[label] = Key(self.directory, label, *kind)
        return self.keys[label]

    def curve(self, curve, *options):
        return self.key("ec-" + curve + "".join(options), "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}",
                        *(word for option in options for word in ("-pkeyopt", option)))

    def rsa(self, size):
        return self.key(f"rsa-{size}", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{size}")

    def issue(self, *names, extensions=None, key=None, issuer="zoo root", issuer_key=None, subject="zoo", **how):
        """A leaf that is right but for what is said."""
        extensions = (*LEAF, alt_names(*(names or (uri(OURS),)))) if extensions is None else extensions
        return certificate(subject, key or self.leaf, issuer, issuer_key or self.root, extensions, **how)

    def middle(self, *extensions, subject="zoo sub", key=None, issuer="zoo root", issuer_key=None, **how):
        """An authority below the root; its extensions are the usual ones when none are given."""
        return certificate(subject, key or self.sub, issuer, issuer_key or self.root, extensions or AUTHORITY, **how)

    def below(self, *names, **how):
        """A leaf below the usual authority in the middle."""
        return self.issue(*names, issuer="zoo sub", issuer_key=how.pop("issuer_key", self.sub), **how)

    def add(self, name, outcome, judgement, *chain, key=None):
        path = os.path.join(self.directory, name + ".pem")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(map(pem, chain)))
        self.animals.append((name, outcome, judgement, path, (key or self.leaf).path))

    def good(self, name, *chain, key=None):
        self.add(name, "ok", "fit", *chain, key=key)

    def refused(self, name, judgement, *chain, key=None):
        self.add(name, "refused", judgement, *chain, key=key)

    def nameless(self, name, *chain):
        self.add(name, "nameless", "nameless", *chain)

    def foreign(self, name, text):
        """Fit by itself, and its one URI names nobody of ours."""
        self.add(name, "nameless", "fit", self.issue(uri(text)))

    def write(self):
        old = certificate("zoo old root", self.key("ec-old"), "zoo old root", self.key("ec-old"), AUTHORITY,
                          not_after="20010101")
        ed = certificate("zoo ed25519 root", self.key("ed25519-root", "-algorithm", "ED25519"), "zoo ed25519 root",
                         self.key("ed25519-root"), AUTHORITY)
        rsa = certificate("zoo rsa root", self.rsa(3072), "zoo rsa root", self.rsa(3072), AUTHORITY)
        with open(os.path.join(self.directory, "anchors.pem"), "w", encoding="ascii") as file:
            file.write("".join(map(pem, (self.root_der, old, ed, rsa))))
        with open(os.path.join(self.directory, "animals"), "w", encoding="ascii") as file:
            file.writelines("\t".join(animal) + "\n" for animal in self.animals)


def add_good(zoo):
    for kind in ("service", "operator", "app", "device"):
        zoo.good(f"good-{kind}", zoo.issue(uri(f"spiffe://dues.local/{kind}/zoo")))
    zoo.good("good-longest-name", zoo.issue(uri("spiffe://dues.local/service/" + "n" * 63)))
    zoo.good("good-common-name-of-another", zoo.issue(subject="spiffe://dues.local/operator/root"))
    zoo.good("good-without-subject", zoo.issue(subject=None))
    zoo.good("good-other-names-beside", zoo.issue(dns("billing.internal"), uri(OURS), email("zoo@dues.local")))
    zoo.good("good-without-key-usage", zoo.issue(extensions=(LEAF[2], alt_names(uri(OURS)))))
    zoo.good("good-server-auth-too", zoo.issue(extensions=(*LEAF[:2], extended_key_usage(SERVER_AUTH, CLIENT_AUTH),
                                                           alt_names(uri(OURS)))))
    zoo.good("good-unknown-extension", zoo.issue(extensions=(*LEAF, alt_names(uri(OURS)),
                                                             extension("1.2.3.4", tlv(0x05)))))
    zoo.good("good-below-middle", zoo.below(), zoo.middle())
    zoo.good("good-with-root-sent", zoo.below(), zoo.middle(), zoo.root_der)
    second = zoo.middle(subject="zoo second", key=zoo.key("ec-second"), issuer="zoo sub", issuer_key=zoo.sub)
    deep = zoo.issue(issuer="zoo second", issuer_key=zoo.key("ec-second"))
    zoo.good("good-wrong-order", deep, zoo.middle(), second)
    zoo.good("good-strangers-between", deep, zoo.issue(), second, zoo.issue(), zoo.middle())
    zoo.good("good-constrained-to-us", zoo.below(), zoo.middle(*AUTHORITY, name_constraints([uri("dues.local")])))
    for curve in ("P-384", "P-521"):
        key = zoo.curve(curve)
        zoo.add("good-" + curve.lower(), "ok-1.3", "fit", zoo.issue(key=key), key=key)
    zoo.good("good-rsa-2048", zoo.issue(key=zoo.rsa(2048)), key=zoo.rsa(2048))
    zoo.good("good-sha-384-by-ec", zoo.issue(digest=SHA384))
    by_rsa = {"issuer": "zoo rsa root", "issuer_key": zoo.rsa(3072)}
    zoo.good("good-sha-512-by-rsa", zoo.issue(digest=SHA512, **by_rsa))
    zoo.good("good-pss-by-rsa", zoo.issue(pss=True, **by_rsa))
    edwards = zoo.key("ed25519-root", "-algorithm", "ED25519")
    own = zoo.key("ed25519-leaf", "-algorithm", "ED25519")
    zoo.good("good-ed25519", zoo.issue(key=own, issuer="zoo ed25519 root", issuer_key=edwards), key=own)


def add_nameless(zoo):
    zoo.nameless("no-san", zoo.issue(extensions=LEAF))
    zoo.nameless("identity-in-common-name-only", zoo.issue(extensions=LEAF, subject=OURS))
    zoo.nameless("dns-only", zoo.issue(dns("dues.local")))
    zoo.nameless("identity-as-dns", zoo.issue(dns(OURS)))
    zoo.nameless("identity-as-email", zoo.issue(email(OURS)))
    zoo.nameless("identity-as-other-name", zoo.issue(tlv(0xA0, oid("1.2.3.4"), tlv(0xA0, tlv(0x0C, OURS.encode())))))
    zoo.nameless("identity-of-the-issuer", zoo.issue(extensions=(*LEAF, alt_names(uri(OURS), kind=ISSUER_ALT_NAME))))
    zoo.nameless("two-uris", zoo.issue(uri(OURS), uri("spiffe://dues.local/service/other")))
    zoo.nameless("two-uris-one-foreign", zoo.issue(uri("https://example.com/"), uri(OURS)))
    zoo.nameless("same-uri-twice", zoo.issue(uri(OURS), uri(OURS)))
    zoo.nameless("three-uris-and-dns", zoo.issue(dns("a"), uri(OURS), uri("urn:a"), uri("urn:b")))
    zoo.nameless("nul-in-uri", zoo.issue(uri(b"spiffe://dues.local/service/zoo\0.evil")))
    zoo.nameless("nul-at-end", zoo.issue(uri(OURS.encode() + b"\0")))
    zoo.nameless("newline-in-uri", zoo.issue(uri(OURS + "\n")))
    zoo.nameless("blank-in-uri", zoo.issue(uri(" " + OURS)))
    zoo.nameless("utf8-in-uri", zoo.issue(uri("spiffe://dues.local/service/z\u00f6\u00f6")))
    zoo.nameless("latin1-in-uri", zoo.issue(uri(b"spiffe://dues.local/service/z\xf6\xf6")))
    zoo.nameless("empty-uri", zoo.issue(uri("")))
    zoo.nameless("uri-of-3000-bytes", zoo.issue(uri(OURS + "o" * 3000)))


def add_foreign(zoo):
    path = "/service/zoo"
    for name, text in {
            "other-domain": "spiffe://other.local" + path, "domain-longer": "spiffe://dues.local.evil" + path,
            "domain-shorter": "spiffe://dues.loca" + path, "domain-upper-case": "spiffe://DUES.LOCAL" + path,
            "domain-empty": "spiffe://" + path, "domain-with-dot": "spiffe://dues.local." + path,
            "domain-with-port": "spiffe://dues.local:443" + path, "domain-with-user": "spiffe://zoo@dues.local" + path,
            "scheme-https": "https://dues.local" + path, "scheme-upper-case": "SPIFFE://dues.local" + path,
            "scheme-missing": "dues.local" + path, "path-missing": "spiffe://dues.local",
            "kind-only": "spiffe://dues.local/service", "name-empty": "spiffe://dues.local/service/",
            "slash-at-end": OURS + "/", "path-deeper": OURS + "/b", "path-double-slash": "spiffe://dues.local//service/zoo",
            "path-dots": "spiffe://dues.local/service/../operator/zoo", "name-dots": "spiffe://dues.local/service/..",
            "name-dot-first": "spiffe://dues.local/service/.zoo", "name-percent-slash": OURS + "%2Fb",
            "name-percent-nul": OURS + "%00", "name-query": OURS + "?a=b", "name-fragment": OURS + "#a",
            "name-of-64": "spiffe://dues.local/service/" + "n" * 64, "kind-unknown": "spiffe://dues.local/admin/zoo",
            "kind-plural": "spiffe://dues.local/services/zoo", "kind-upper-case": "spiffe://dues.local/Service/zoo",
            "kind-system": "spiffe://dues.local/system/zoo", "name-semicolon": OURS + ";a",
            "name-backslash": "spiffe://dues.local/service\\zoo"}.items():
        zoo.foreign(name, text)


def add_untimely(zoo):
    zoo.refused("expired", "untimely", zoo.issue(not_after="20010101"))
    zoo.refused("not-yet-valid", "untimely", zoo.issue(not_before="20990101"))
    zoo.refused("ends-before-it-begins", "untimely", zoo.issue(not_before="20990101", not_after="20010101"))
    zoo.refused("authority-expired", "untimely", zoo.issue(issuer="zoo old root", issuer_key=zoo.key("ec-old")))
    zoo.refused("middle-expired", "untimely", zoo.below(), zoo.middle(not_after="20010101"))


def add_untrusted(zoo):
    other = zoo.key("ec-other")
    zoo.refused("self-signed", "untrusted", zoo.issue(issuer="zoo", issuer_key=zoo.leaf))
    zoo.refused("authority-unknown", "untrusted", zoo.issue(issuer="nobody", issuer_key=other))
    zoo.refused("authority-sent-along", "untrusted", zoo.issue(issuer="nobody", issuer_key=other),
                certificate("nobody", other, "nobody", other, AUTHORITY))
    zoo.refused("authority-namesake", "untrusted", zoo.issue(issuer_key=other))
    zoo.refused("authority-namesake-sent-along", "untrusted", zoo.issue(issuer_key=other),
                certificate("zoo root", other, "zoo root", other, AUTHORITY))
    zoo.refused("issuer-misnamed", "untrusted", zoo.issue(issuer="zoo toor"))
    zoo.refused("middle-missing", "untrusted", zoo.below())
    zoo.refused("middle-of-another", "untrusted", zoo.below(), zoo.middle(issuer_key=other))
    zoo.refused("middle-without-constraints", "untrusted", zoo.below(), zoo.middle(key_usage(CERT_SIGN)))
    zoo.refused("middle-says-no-authority", "untrusted", zoo.below(),
                zoo.middle(basic_constraints(False), key_usage(CERT_SIGN)))
    zoo.refused("middle-may-not-sign", "untrusted", zoo.below(),
                zoo.middle(basic_constraints(True), key_usage(DIGITAL_SIGNATURE)))
    zoo.refused("middle-for-servers", "untrusted", zoo.below(), zoo.middle(*AUTHORITY, extended_key_usage(SERVER_AUTH)))
    zoo.refused("middle-of-version-1", "untrusted", zoo.below(), certificate(
        "zoo sub", zoo.sub, "zoo root", zoo.root, version=0))
    zoo.refused("issued-by-a-leaf", "untrusted", zoo.issue(issuer="zoo", issuer_key=zoo.key("ec-second"),
                                                           subject="zoo child"),
                zoo.issue(key=zoo.key("ec-second")))
    zoo.refused("path-length-exceeded", "untrusted", zoo.issue(issuer="zoo second", issuer_key=zoo.key("ec-second")),
                zoo.middle(subject="zoo second", key=zoo.key("ec-second"), issuer="zoo sub", issuer_key=zoo.sub),
                zoo.middle(basic_constraints(True, 0), key_usage(CERT_SIGN)))
    zoo.refused("constrained-to-others", "untrusted", zoo.below(),
                zoo.middle(*AUTHORITY, name_constraints([uri("other.local")])))
    zoo.refused("constrained-against-us", "untrusted", zoo.below(),
                zoo.middle(*AUTHORITY, name_constraints(excluded=[uri("dues.local")])))
    zoo.refused("constrained-twice", "untrusted", zoo.issue(issuer="zoo second", issuer_key=zoo.key("ec-second")),
                zoo.middle(subject="zoo second", key=zoo.key("ec-second"), issuer="zoo sub", issuer_key=zoo.sub),
                zoo.middle(*AUTHORITY, name_constraints([uri("other.local")])))
    zoo.refused("critical-unknown-extension", "untrusted",
                zoo.issue(extensions=(*LEAF, alt_names(uri(OURS)), extension("1.2.3.4", tlv(0x05), True))))
    zoo.refused("middle-critical-unknown-extension", "untrusted", zoo.below(),
                zoo.middle(*AUTHORITY, extension("1.2.3.4", tlv(0x05), True)))
    zoo.refused("authority-key-of-another", "untrusted",
                zoo.issue(extensions=(*LEAF, alt_names(uri(OURS)),
                                      extension(AUTHORITY_KEY, sequence(
                                          tlv(0xA1, tlv(0xA4, sequence(tlv(0x31, sequence(
                                              oid("2.5.4.3"), tlv(0x0C, b"zoo toor")))))),
                                          tlv(0x82, b"\x09"))))))
    chain, issuer, issuer_key = [], "zoo root", zoo.root
    for number in range(12):
        key = zoo.key(f"ec-deep-{number}")
        chain.insert(0, zoo.middle(subject=f"zoo deep {number}", key=key, issuer=issuer, issuer_key=issuer_key))
        issuer, issuer_key = f"zoo deep {number}", key
    zoo.refused("path-of-14", "untrusted", zoo.issue(issuer=issuer, issuer_key=issuer_key), *chain)


def add_forged(zoo):
    def last_bit(signed, signature):
        return signed, signature[:-1] + bytes([signature[-1] ^ 1])

    def promotion(signed, signature):
        return signed.replace(b"/service/zoo", b"/operator/zo"), signature

    zoo.refused("signature-tampered", "untrusted", zoo.issue(tamper=last_bit))
    zoo.refused("content-tampered", "untrusted", zoo.issue(tamper=promotion))
    zoo.refused("signature-empty", "untrusted", zoo.issue(tamper=lambda signed, signature: (signed, b"")))
    zoo.refused("algorithm-outside-differs", "untrusted", zoo.issue(outer=zoo.root.algorithm(SHA384, False)))
    zoo.refused("key-of-another", "fit", zoo.issue(), key=zoo.key("ec-other"))
    zoo.refused("middle-signature-tampered", "untrusted", zoo.below(), zoo.middle(tamper=last_bit))
    zoo.refused("chain-of-100-kilobytes", "-", zoo.issue(), *[zoo.middle(subject="x" * 2000)] * 52)


def add_unfit(zoo):
    san = alt_names(uri(OURS))

    def with_usage(*uses):
        return zoo.issue(extensions=(*LEAF[:2], extended_key_usage(*uses), san))

    zoo.refused("usage-server-only", "unfit", with_usage(SERVER_AUTH))
    zoo.refused("usage-any", "unfit", with_usage(ANY_USAGE))
    zoo.refused("usage-code-signing", "unfit", with_usage(CODE_SIGNING))
    zoo.refused("usage-empty", "unfit", with_usage())
    zoo.refused("usage-missing", "unfit", zoo.issue(extensions=(*LEAF[:2], san)))
    zoo.refused("usage-twice", "unfit", zoo.issue(extensions=(*LEAF, extended_key_usage(SERVER_AUTH), san)))
    zoo.refused("usage-no-list", "unfit", zoo.issue(extensions=(*LEAF[:2], extension(EXTENDED_KEY_USAGE, tlv(0x05)), san)))
    for name, uses in {"key-may-encipher-only": (KEY_ENCIPHERMENT,), "key-may-agree-only": (KEY_AGREEMENT,),
                       "key-may-sign-certificates": (DIGITAL_SIGNATURE, CERT_SIGN)}.items():
        zoo.refused(name, "unfit", zoo.issue(extensions=(LEAF[0], key_usage(*uses), LEAF[2], san)))
    zoo.refused("authority-as-leaf", "unfit",
                zoo.issue(extensions=(basic_constraints(True), key_usage(DIGITAL_SIGNATURE, CERT_SIGN), LEAF[2], san)))
    zoo.refused("authority-by-flag-only", "unfit",
                zoo.issue(extensions=(basic_constraints(True), key_usage(DIGITAL_SIGNATURE), LEAF[2], san)))
    zoo.refused("names-in-two-extensions", "unfit",
                zoo.issue(extensions=(*LEAF, san, alt_names(uri("spiffe://dues.local/operator/zoo")))))
    zoo.refused("names-garbled", "unfit", zoo.issue(extensions=(*LEAF, extension(SUBJECT_ALT_NAME, b"\x30\x05\x86"))))
    zoo.refused("constraints-twice", "unfit", zoo.issue(extensions=(*LEAF, san, basic_constraints(False))))
    zoo.refused("version-1", "unfit", zoo.issue(extensions=(), version=0))
    zoo.refused("version-1-with-extensions", "unfit", zoo.issue(version=0))
    zoo.refused("version-2", "unfit", zoo.issue(version=1))
    for name, serial in {"serial-zero": integer(0), "serial-negative": integer(-5),
                         "serial-of-40-bytes": integer(1 << 315)}.items():
        zoo.refused(name, "unfit", zoo.issue(serial=serial))


def add_weak(zoo):
    by_rsa = {"issuer": "zoo rsa root", "issuer_key": zoo.rsa(3072)}
    zoo.refused("signed-with-sha-1", "untrusted", zoo.issue(digest=SHA1))
    zoo.refused("signed-with-sha-1-by-rsa", "untrusted", zoo.issue(digest=SHA1, **by_rsa))
    zoo.refused("signed-with-md5-by-rsa", "untrusted", zoo.issue(digest=MD5, **by_rsa))
    zoo.refused("signed-with-sha-224", "unfit", zoo.issue(digest=SHA224))
    zoo.refused("middle-signed-with-sha-1", "untrusted", zoo.below(), zoo.middle(digest=SHA1))
    zoo.refused("rsa-1024", "untrusted", zoo.issue(key=zoo.rsa(1024)), key=zoo.rsa(1024))
    zoo.refused("middle-rsa-1024", "untrusted", zoo.below(issuer_key=zoo.rsa(1024)), zoo.middle(key=zoo.rsa(1024)))
    zoo.refused("rsa-2047", "unfit", zoo.issue(key=zoo.rsa(2047)), key=zoo.rsa(2047))
    for curve in ("secp192k1", "secp224r1", "secp256k1", "brainpoolP256r1"):
        key = zoo.curve(curve)
        zoo.refused(curve.lower(), "untrusted" if curve == "secp192k1" else "unfit", zoo.issue(key=key), key=key)
    middle = zoo.curve("secp256k1")
    zoo.refused("middle-secp256k1", "unfit", zoo.below(issuer_key=middle), zoo.middle(key=middle))
    explicit = zoo.curve("P-256", "ec_param_enc:explicit")
    zoo.refused("curve-spelt-out", "untrusted", zoo.issue(key=explicit), key=explicit)
    compressed = openssl("pkey", "-in", zoo.leaf.path, "-pubout", "-outform", "DER", "-ec_conv_form", "compressed")
    zoo.refused("point-compressed", "unfit", zoo.issue(spki=compressed))
    for name, kind in {"ed448": ("-algorithm", "ED448"),
                       "rsa-pss-key": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
                       "x25519": ("-algorithm", "X25519")}.items():
        key = zoo.key(name, *kind)
        zoo.refused(name, "unfit", zoo.issue(key=key), key=key if name != "x25519" else zoo.leaf)
    # The empty parameters of an RSA key left away: the same key with another hash.
    rsa = zoo.rsa(2048)
    bare = rsa.spki.replace(oid("1.2.840.113549.1.1.1") + tlv(0x05), oid("1.2.840.113549.1.1.1"))
    inner = bare[4:4 + 2].replace(b"\x30\x0d", b"\x30\x0b") + bare[6:]
    zoo.refused("rsa-without-parameters", "unfit", zoo.issue(spki=sequence(inner)), key=rsa)


def main(directory):
    zoo = Zoo(directory)
    for fill in (add_good, add_nameless, add_foreign, add_untimely, add_untrusted, add_forged, add_unfit, add_weak):
        fill(zoo)
    zoo.write()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
