"""Certificates written byte by byte, so that they can be wrong in ways that no tool would let through.  Only the keys
and the signatures are OpenSSL's."""

import base64
import os
import subprocess

SHA1, SHA224, SHA256, SHA384, SHA512, MD5 = "sha1", "sha224", "sha256", "sha384", "sha512", "md5"

RSA_SIGNATURE = {MD5: "1.2.840.113549.1.1.4", SHA1: "1.2.840.113549.1.1.5", SHA224: "1.2.840.113549.1.1.14",
                 SHA256: "1.2.840.113549.1.1.11", SHA384: "1.2.840.113549.1.1.12", SHA512: "1.2.840.113549.1.1.13"}
EC_SIGNATURE = {SHA1: "1.2.840.10045.4.1", SHA224: "1.2.840.10045.4.3.1", SHA256: "1.2.840.10045.4.3.2",
                SHA384: "1.2.840.10045.4.3.3", SHA512: "1.2.840.10045.4.3.4"}
ED25519 = "1.3.101.112"

BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE = "2.5.29.19", "2.5.29.15", "2.5.29.37"
SUBJECT_ALT_NAME, ISSUER_ALT_NAME, NAME_CONSTRAINTS = "2.5.29.17", "2.5.29.18", "2.5.29.30"
AUTHORITY_KEY = "2.5.29.35"
CLIENT_AUTH, SERVER_AUTH = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"
CODE_SIGNING, ANY_USAGE = "1.3.6.1.5.5.7.3.3", "2.5.29.37.0"


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def sequence(*parts):
    return tlv(0x30, *parts)


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(text):
    first, second, *rest = (int(number) for number in text.split("."))
    out = bytes([40 * first + second])
    for number in rest:
        part = bytes([number & 0x7F])
        while number := number >> 7:
            part = bytes([0x80 | number & 0x7F]) + part
        out += part
    return tlv(0x06, out)


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\0")


def name(common_name):
    if common_name is None:
        return sequence()
    return sequence(tlv(0x31, sequence(oid("2.5.4.3"), tlv(0x0C, common_name.encode()))))


def time(text):
    """20300101 and the like, as the form that RFC 5280 wants."""
    return tlv(0x17, (text[2:] + "000000Z").encode()) if text < "2050" else tlv(0x18, (text + "000000Z").encode())


def bits(*numbers):
    """A BIT STRING with these bits set, counted from the left."""
    value = sum(0x8000 >> number for number in numbers)
    size = max(numbers) // 8 + 1
    return tlv(0x03, bytes([8 * size - 1 - max(numbers)]), value.to_bytes(2, "big")[:size])


DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, KEY_AGREEMENT, CERT_SIGN, CRL_SIGN = 0, 2, 4, 5, 6


def extension(kind, value, critical=False):
    return sequence(oid(kind), boolean(True) if critical else b"", tlv(0x04, value))


def basic_constraints(ca, path_length=None):
    return extension(BASIC_CONSTRAINTS, sequence(boolean(True) if ca else b"",
                                                 b"" if path_length is None else integer(path_length)), True)


def key_usage(*uses):
    return extension(KEY_USAGE, bits(*uses), True)


def extended_key_usage(*uses):
    return extension(EXTENDED_KEY_USAGE, sequence(*map(oid, uses)))


def uri(text):
    return tlv(0x86, text if isinstance(text, bytes) else text.encode())


def dns(text):
    return tlv(0x82, text.encode())


def email(text):
    return tlv(0x81, text.encode())


def alt_names(*names, kind=SUBJECT_ALT_NAME):
    return extension(kind, sequence(*names))


def name_constraints(permitted=(), excluded=()):
    def trees(tag, names):
        return tlv(tag, *(sequence(one) for one in names)) if names else b""
    return extension(NAME_CONSTRAINTS, sequence(trees(0xA0, permitted), trees(0xA1, excluded)), True)


class Key:
    """A key pair in a file of its own.  `kind` is the option list of `openssl genpkey`."""

    def __init__(self, directory, label, *kind):
        self.label = label
        self.path = os.path.join(directory, label + ".key")
        if not os.path.exists(self.path):
            openssl("genpkey", *kind, "-out", self.path)
        self.spki = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")

    def algorithm(self, digest, pss):
        """AlgorithmIdentifier of a signature with this key."""
        if self.label.startswith("ed25519"):
            return sequence(oid(ED25519))
        if pss:
            hashed = sequence(oid("2.16.840.1.101.3.4.2.1"), tlv(0x05))
            masked = sequence(oid("1.2.840.113549.1.1.8"), hashed)
            return sequence(oid("1.2.840.113549.1.1.10"),
                            sequence(tlv(0xA0, hashed), tlv(0xA1, masked), tlv(0xA2, integer(32))))
        if self.label.startswith("rsa"):
            return sequence(oid(RSA_SIGNATURE[digest]), tlv(0x05))
        return sequence(oid(EC_SIGNATURE[digest]))

    def sign(self, data, digest, pss):
        if self.label.startswith("ed25519"):
            with open(self.path + ".data", "wb") as file:
                file.write(data)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", self.path + ".data")
        padding = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32") if pss else ()
        return openssl("dgst", "-" + digest, *padding, "-sign", self.path, data=data)


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


def certificate(subject, key, issuer, issuer_key, extensions=(), *, serial=integer(1), not_before="20000101",
                not_after="21000101", version=2, digest=SHA256, pss=False, spki=None, outer=None, tamper=None):
    """DER.  `serial` is encoded already; `outer` is another algorithm for the outside; `tamper` gets the signed part
    and the signature and answers other ones."""
    algorithm = issuer_key.algorithm(digest, pss)
    signed = sequence(tlv(0xA0, integer(version)) if version else b"", serial, algorithm, name(issuer),
                      sequence(time(not_before), time(not_after)), name(subject), spki or key.spki,
                      tlv(0xA3, sequence(*extensions)) if extensions else b"")
    signature = issuer_key.sign(signed, digest, pss)
    if tamper:
        signed, signature = tamper(signed, signature)
    return sequence(signed, outer or algorithm, tlv(0x03, b"\0", signature))


def pem(der):
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[at:at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
