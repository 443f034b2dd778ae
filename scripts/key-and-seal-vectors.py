"""Writes test/vectors/data/keys_and_seals.json: what our key derivations and seals must give, from the design's text alone.

Nothing but Python's standard library, and none of the project's code: python3 scripts/key-and-seal-vectors.py > FILE
"""

import hashlib
import hmac
import json
import struct
import uuid

ROOT = bytes(range(32))
OTHER = bytes(range(32, 64))
ROW = "01890a5d-ac96-774b-bcce-b302099a8057"
OWNER = "01890a5d-ac96-774b-bcce-b302099a8058"
KEY_ID = "01890a5d-ac96-774b-bcce-b302099a8059"


def prefixed(parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def hkdf(key, label, parts):
    info = prefixed([label.encode(), *parts])
    extracted = hmac.new(b"\0" * 32, key, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def id16(text):
    return uuid.UUID(text).bytes


def wrapping(purpose, row, owner):
    return hkdf(ROOT, "keyhold/wrap/v1", [purpose.encode(), id16(row), b"" if owner is None else id16(owner)])


def encoded(table, columns, fmt=1):
    parts = [f"keyhold/row/v{fmt}".encode(), table.encode()]
    for name, kind, content in columns:
        parts += [name.encode(), kind.encode()]
        parts += [b"\x00"] if content is None else [b"\x01", content]
    return prefixed(parts)


def seal(table, columns, fmt=1):
    mac = hmac.new(OTHER, encoded(table, columns, fmt), hashlib.sha256).digest()
    return (bytes([fmt]) + id16(KEY_ID) + mac).hex()


PLAIN = [("id", "uuid", ROW.encode()), ("note", "text", None)]
EVERY = [
    ("id", "uuid", ROW.encode()),
    ("note", "text", "Grüße 🔑".encode()),
    ("count", "int", b"-7"),
    ("revision", "bigint", b"9007199254740991"),
    ("on", "bool", b"1"),
    ("at", "time", b"2026-11-27T18:30:00.123Z"),
    ("data", "json", '{"a":[1,"ß",null],"b":{"c":true}}'.encode()),
    ("raw", "bytes", bytes([0, 255, 1])),
]

print(
    json.dumps(
        {
            "root": ROOT.hex(),
            "sealKey": OTHER.hex(),
            "ids": {"row": ROW, "owner": OWNER, "key": KEY_ID},
            "derived": {
                "wrap owner": wrapping("owner", ROW, OWNER).hex(),
                "wrap seal": wrapping("seal", ROW, None).hex(),
                "wrap owner, of another row": wrapping("owner", KEY_ID, OWNER).hex(),
                "wrap owner, of another owner": wrapping("owner", ROW, KEY_ID).hex(),
                "secret, version 1": hkdf(ROOT, "keyhold/secret/v1", [id16(KEY_ID), id16(ROW), struct.pack(">I", 1)]).hex(),
                "secret, version 2": hkdf(ROOT, "keyhold/secret/v1", [id16(KEY_ID), id16(ROW), struct.pack(">I", 2)]).hex(),
                "jwt": hkdf(ROOT, "keyhold/jwt/v1", []).hex(),
                "refresh": hkdf(ROOT, "keyhold/refresh/v1", []).hex(),
                "digest": hkdf(ROOT, "keyhold/digest/v1", []).hex(),
                "backup": hkdf(ROOT, "keyhold/backup/v1", []).hex(),
                "backup MAC": hkdf(ROOT, "keyhold/backup-mac/v1", []).hex(),
                "audit export MAC": hkdf(ROOT, "keyhold/audit-export/v1", []).hex(),
            },
            "seals": {
                "null": seal("plain", PLAIN),
                "empty text": seal("plain", [PLAIN[0], ("note", "text", b"")]),
                "the text 'null'": seal("plain", [PLAIN[0], ("note", "text", b"null")]),
                "every kind": seal("every", EVERY),
                "format 2": seal("later", [*PLAIN, ("colour", "text", b"red")], 2),
                "format 1 of the same table": seal("later", PLAIN),
            },
        },
        indent=2,
        ensure_ascii=False,
    )
)
