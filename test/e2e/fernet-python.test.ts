import { spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { Fernet, generateKey, InvalidToken, MultiFernet } from '../../src/crypto/fernet.ts';
import { count } from '../support/counts.ts';

/** One line to Python: our token, and what Python is to encrypt and rotate for us. */
interface Exchange {
  readonly key: string;
  readonly newKey: string;
  readonly plaintext: string;
  readonly time: number;
  readonly token: string;
  readonly spoilt: string;
}

/** Python's line in return. */
interface Answer {
  readonly opened: string;
  readonly timestamp: number;
  readonly refusedExpired: boolean;
  readonly refusedSpoilt: boolean;
  readonly token: string;
  readonly rotated: string;
}

const program = `
import base64, json, sys
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

def refused(attempt):
    try:
        attempt()
    except InvalidToken:
        return True
    return False

for line in sys.stdin:
    asked = json.loads(line)
    fernet, token, time = Fernet(asked["key"]), asked["token"].encode(), asked["time"]
    multi = MultiFernet([Fernet(asked["newKey"]), fernet])
    print(json.dumps({
        "opened": base64.b64encode(fernet.decrypt_at_time(token, 60, time + 60)).decode(),
        "timestamp": fernet.extract_timestamp(token),
        "refusedExpired": refused(lambda: fernet.decrypt_at_time(token, 60, time + 61)),
        "refusedSpoilt": refused(lambda: fernet.decrypt(asked["spoilt"].encode())),
        "token": fernet.encrypt_at_time(base64.b64decode(asked["plaintext"]), time).decode(),
        "rotated": multi.rotate(token).decode(),
    }))
`;

const hasCryptography = (python: string): boolean =>
  spawnSync(python, ['-c', 'import cryptography.fernet'], { stdio: 'ignore' }).status === 0;

// Debian's package serves Debian's interpreter, which need not be the first on the PATH.
const python = ['/usr/bin/python3', 'python3'].find(hasCryptography);
const missing = "python3 has no module 'cryptography' (Debian: apt-get install python3-cryptography)";

const sizes = [0, 1, 15, 16, 17, 31, 32, 33, 255, 4096, 65_535, 65_536];
// Every size once. Some plaintexts are zeros, the others random bytes.
const plaintextOf = (index: number): Buffer => {
  const size = sizes[index] ?? randomInt(1024);
  return index % 10 === 3 ? Buffer.alloc(size) : randomBytes(size);
};

const flipped = (token: string, at: number): string =>
  token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);

const exchangeOf = (index: number): Exchange => {
  const [key, newKey, plaintext, time] = [generateKey(), generateKey(), plaintextOf(index), randomInt(2 ** 33)];
  const token = new Fernet(key).encryptAtTime(plaintext, new Date(time * 1000));
  // The last two characters before the padding are left alone: Python reads several spellings of the last byte.
  const spoilt = flipped(token, randomInt(token.length - 4));
  return { key, newKey, plaintext: plaintext.toString('base64'), time, token, spoilt };
};

const askPython = async (interpreter: string, lines: readonly string[]): Promise<string[]> => {
  const child = spawn(interpreter, ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answered = text(child.stdout);
  child.stdin.end(`${lines.join('\n')}\n`);
  return (await answered).trim().split('\n');
};

describe("tokens exchanged with Python's cryptography", () => {
  it(`${count(1000)} tokens of Keyhold and as many of Python's cryptography are read by the other side`, {
    timeout: 120_000,
  }, async (context) => {
    if (python === undefined) {
      // The default reporter counts skipped tests without their reason.
      process.stderr.write(`skipped, no exchange of tokens with Python: ${missing}\n`);
      return context.skip(missing);
    }
    const exchanges = Array.from({ length: count(1000) }, (_, index) => exchangeOf(index));
    const answers = await askPython(
      python,
      exchanges.map((exchange) => JSON.stringify(exchange)),
    );
    expect(answers).toHaveLength(exchanges.length);
    exchanges.forEach((exchange, index) => {
      agrees(exchange, JSON.parse(answers[index] ?? '') as Answer);
    });
  });
});

const agrees = (asked: Exchange, answer: Answer): void => {
  const [fernet, renewed, made] = [new Fernet(asked.key), new Fernet(asked.newKey), new Date(asked.time * 1000)];
  const later = (seconds: number): Date => new Date(made.getTime() + seconds * 1000);
  expect(answer).toMatchObject({ opened: asked.plaintext, timestamp: asked.time });
  expect(answer).toMatchObject({ refusedExpired: true, refusedSpoilt: true });
  expect(fernet.decryptAtTime(answer.token, 60, later(60)).toString('base64')).toBe(asked.plaintext);
  expect(fernet.extractTimestamp(answer.token)).toBe(asked.time);
  expect(() => fernet.decryptAtTime(answer.token, 60, later(61))).toThrow(InvalidToken);
  expect(() => fernet.decrypt(flipped(answer.token, 30))).toThrow(InvalidToken);
  expect(renewed.decrypt(answer.rotated).toString('base64')).toBe(asked.plaintext);
  expect(renewed.extractTimestamp(answer.rotated)).toBe(asked.time);
  const rotatedHere = new MultiFernet([renewed, fernet]).rotate(answer.token);
  expect(renewed.extractTimestamp(rotatedHere)).toBe(asked.time);
};
