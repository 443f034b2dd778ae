#!/usr/bin/python3
"""Writes test/fixtures/store/: an old file store, its values encrypted by Python's `cryptography`.

Run it with Debian's python3-cryptography, and only to replace the sample: key and IVs differ each time.
    /usr/bin/python3 scripts/old-store-sample.py test/fixtures/store
expected.json lists what an import must produce. The key is for this sample only.
"""
import base64
import json
import pathlib
import sys

from cryptography.fernet import Fernet

SECRETS = [
    ("a1", {"name": "OPENAI_KEY", "type": "api_key", "scope": "general", "description": "for the assistant",
            "tags": ["llm", "prod"], "metadata": {"team": "core", "n": 3}}, "sk-old-0123456789abcdef"),
    ("a2", {"name": "deploy key", "type": "ssh_key", "scope": "general", "tags": []},
     "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
    ("a3", {"name": "DB_URL", "type": "database_url", "scope": "chat", "chat_id": "chat-1", "description": None},
     "postgres://u:p@db/one"),
    ("a4", {"name": "DB_URL", "type": "database_url", "scope": "chat", "chat_id": "Ein Chat / Nr. 2"},
     "postgres://u:p@db/two"),
    ("a5", {"name": "DB_URL", "type": "database_url", "scope": "general"}, "postgres://u:p@db/general"),
    ("a6", {"name": "Пароль", "type": "smtp_password", "scope": "general", "tags": ["mail"]}, "naïve 秘密 🔑\r\n"),
    ("a7", {"name": "TEMPORARY", "type": "token", "scope": "chat", "chat_id": "chat-1",
            "expires_at": "2099-12-31T23:59:59.123456"}, "expires late"),
    ("a8", {"name": "LONG_GONE", "type": "token", "scope": "general", "expires_at": "2020-01-01T00:00:00+00:00"},
     "expired long ago"),
    ("a9", {"name": "BINARYISH", "type": "other", "scope": "general"}, "a\0b\x01c"),
]


def main(directory: str) -> None:
    key = Fernet.generate_key()
    fernet = Fernet(key)
    store = {}
    for number, (identity, fields, value) in enumerate(SECRETS):
        token = fernet.encrypt_at_time(value.encode("utf-8"), 1_600_000_000 + number)
        store[identity] = {"chat_id": None, "description": "", "tags": [], "expires_at": None, "metadata": {}, **fields,
                           "value": base64.b64encode(token).decode("ascii")}
    path = pathlib.Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    (path / "secrets.json").write_text(json.dumps(store, indent=2), "utf-8")
    (path / "secrets.key").write_bytes(key)
    (path / "wrong.key").write_bytes(Fernet.generate_key())
    expected = [{"id": identity, **fields, "value": value} for identity, fields, value in SECRETS]
    (path / "expected.json").write_text(json.dumps(expected, indent=2, ensure_ascii=False) + "\n", "utf-8")


main(sys.argv[1])
