#!/usr/bin/python3
"""Writes test/vectors/data/fernet_python.json: 100 tokens made by Python's `cryptography`.

Run it with Debian's python3-cryptography, and only to replace the sample: keys and IVs differ each time.
    /usr/bin/python3 scripts/fernet-python-sample.py > test/vectors/data/fernet_python.json
A plaintext is `unit` (base64) repeated `times` times, which keeps the file small in spite of values of 64 KiB.
"""
import base64
import json
import platform
import random
import sys

import cryptography
from cryptography.fernet import Fernet

TIMES = [0, 1, 499162800, 1_700_000_000, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 4_102_444_800, 8_640_000_000_000]

TEXTS = ["a", "hello", "correct horse battery staple", "naïve café", "秘密の値", "ключ от хранилища", "🔑🗝️", "e\u0301",
         "\u202eright-to-left", "line one\nline two\r\n", "\ufeffbyte order mark", "{\"json\": [1, null]}"]


def plaintexts(rng: random.Random) -> list[tuple[bytes, int]]:
    fixed = [(b"", 1), (b"\0", 1), (b"\0", 16), (b"\0a\0", 1), (b"\x10", 16), (b"\x01", 1), (b"\xff", 33),
             (bytes(range(256)), 1), (bytes(range(256)), 256), (bytes(range(17)), 3855)]
    texts = [(text.encode("utf-8"), 1) for text in TEXTS]
    around_blocks = [(rng.randbytes(size), 1) for size in range(1, 51)]
    rest = 100 - len(fixed) - len(texts) - len(around_blocks)
    return fixed + texts + around_blocks + [(rng.randbytes(rng.randrange(51, 600)), 1) for _ in range(rest)]


def entry(index: int, unit: bytes, times: int) -> dict:
    key = Fernet.generate_key()
    time = TIMES[index % len(TIMES)]
    token = Fernet(key).encrypt_at_time(unit * times, time)
    return {"secret": key.decode(), "unit": base64.b64encode(unit).decode(), "times": times, "time": time,
            "token": token.decode()}


def main() -> None:
    made_with = f"Python {platform.python_version()}, cryptography {cryptography.__version__}"
    tokens = [entry(index, *pair) for index, pair in enumerate(plaintexts(random.Random(1)))]
    json.dump({"madeWith": made_with, "tokens": tokens}, sys.stdout, indent=1)
    sys.stdout.write("\n")


main()
