import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fernet, generateKey, InvalidToken, MultiFernet } from '../../src/crypto/fernet.ts';
import {
  decryptFernet,
  encryptFernet,
  fernetTimestamp,
  rotateFernet,
  verifyFernet,
} from '../../src/crypto/fernet-token.ts';
import { count, seed } from '../support/counts.ts';

interface Generate {
  readonly token: string;
  readonly now: string;
  readonly iv: readonly number[];
  readonly src: string;
  readonly secret: string;
}

interface Verify {
  readonly token: string;
  readonly now: string;
  readonly ttl_sec: number;
  readonly secret: string;
}

interface PythonSample {
  readonly tokens: readonly {
    readonly secret: string;
    readonly unit: string;
    readonly times: number;
    readonly time: number;
    readonly token: string;
  }[];
}

const data = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), 'utf8')) as T;

const generateVectors = data<Generate[]>('fernet_generate');
const verifyVectors = data<(Verify & { src: string })[]>('fernet_verify');
const invalidVectors = data<(Verify & { desc: string })[]>('fernet_invalid');
const pythonSample = data<PythonSample>('fernet_python');

const bytesOfKey = (secret: string): Buffer => Buffer.from(secret, 'base64url');
const padded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
const seconds = (at: number): Date => new Date(at * 1000);

/** The token with its last 32 bytes replaced by the right HMAC, so that a test reaches what lies behind it. */
const signedAgain = (token: string, key: Buffer): string => {
  const signed = Buffer.from(token, 'base64url').subarray(0, -32);
  const mac = createHmac('sha256', key.subarray(0, 16)).update(signed).digest();
  return padded(Buffer.concat([signed, mac]));
};

const refusal = (attempt: () => unknown): unknown => {
  try {
    attempt();
  } catch (error) {
    return error;
  }
  return undefined;
};

const isRefused = (attempt: () => unknown): void => {
  expect(refusal(attempt)).toBeInstanceOf(InvalidToken);
};

describe('the published Fernet vectors', () => {
  it('the published vectors are all here', () => {
    expect([generateVectors.length, verifyVectors.length, invalidVectors.length]).toEqual([1, 1, 8]);
  });

  it.each(generateVectors)('the published vector generates $token', ({ token, now, iv, src, secret }) => {
    const plaintext = Buffer.from(src);
    const made = encryptFernet({
      key: bytesOfKey(secret),
      plaintext,
      now: new Date(now),
      iv: Uint8Array.from(iv),
    });
    expect(made).toBe(token);
  });

  it.each(verifyVectors)('the published token $token is accepted', ({ token, now, ttl_sec, src, secret }) => {
    expect(new Fernet(secret).decryptAtTime(token, ttl_sec, new Date(now)).toString()).toBe(src);
  });

  // What the vector's name says is wrong with it, as opposed to what else could refuse it.
  const rightMac = new Set([
    'payload size not multiple of block size',
    'payload padding error',
    'far-future TS (unacceptable clock skew)',
    'expired TTL',
    'incorrect IV (causes padding error)',
  ]);
  const aboutTime = new Set(['far-future TS (unacceptable clock skew)', 'expired TTL']);

  describe.each(invalidVectors)('invalid: $desc', ({ desc, token, now, ttl_sec, secret }) => {
    const fernet = new Fernet(secret);
    const at = new Date(now);

    it('an invalid vector is refused at its own clock', () => {
      isRefused(() => fernet.decryptAtTime(token, ttl_sec, at));
    });

    it('a valid token of the same key and clock is accepted', () => {
      const twin = fernet.encryptAtTime('hello', at);
      expect(fernet.decryptAtTime(twin, ttl_sec, at).toString()).toBe('hello');
    });

    it('an invalid vector is refused for its time only if that is its point', () => {
      const age = at.getTime() / 1000 - Number(Buffer.from(token, 'base64url').readBigUInt64BE(1));
      const inTime = age <= ttl_sec && age >= -60;
      // With its base64 broken, a token has no time to speak of.
      if (desc !== 'invalid base64') expect(inTime).toBe(!aboutTime.has(desc));
      if (aboutTime.has(desc)) expect(fernet.decrypt(token).toString()).toBe('');
      else isRefused(() => fernet.decrypt(token));
    });

    it('an invalid vector carries the signature that its point needs', () => {
      expect(signedAgain(token, bytesOfKey(secret)) === token).toBe(rightMac.has(desc));
    });
  });

  it('the vector with the incorrect MAC opens once the MAC is right', () => {
    const vector = invalidVectors.find(({ desc }) => desc === 'incorrect mac');
    const { secret = '', token = '', ttl_sec = 0, now = '' } = vector ?? {};
    const mended = signedAgain(token, bytesOfKey(secret));
    expect(new Fernet(secret).decryptAtTime(mended, ttl_sec, new Date(now)).toString()).toBe('');
  });
});

describe('the sample of tokens from Python', () => {
  it('the sample of tokens from Python has 100', () => {
    expect(pythonSample.tokens).toHaveLength(100);
  });

  it.each(pythonSample.tokens.map((sample, index) => ({ index, ...sample })))(
    'token number $index from Python opens',
    (sample) => {
      const { secret, unit, times, time, token } = sample;
      const fernet = new Fernet(secret);
      const plaintext = Buffer.concat(Array<Buffer>(times).fill(Buffer.from(unit, 'base64')));
      expect(fernet.decryptAtTime(token, 60, seconds(time)).equals(plaintext)).toBe(true);
      expect(fernet.extractTimestamp(token)).toBe(time);
      const iv = Buffer.from(token, 'base64url').subarray(9, 25);
      expect(encryptFernet({ key: bytesOfKey(secret), plaintext, now: seconds(time), iv })).toBe(token);
    },
  );
});

describe('strict decoding', () => {
  const secret = generateKey();
  const key = bytesOfKey(secret);
  const fernet = new Fernet(secret);
  const tokenOf = (plaintext: string): string => fernet.encrypt(plaintext);
  // Tokens are 57 + 16 n bytes long, so these three end in '==', '=' and no padding.
  const twoPads = tokenOf('x');
  const onePad = tokenOf('x'.repeat(16));
  const noPad = tokenOf('x'.repeat(32));

  it('the tokens that are spoiled below open and have two, one and no padding characters', () => {
    for (const token of [twoPads, onePad, noPad]) expect(fernet.decrypt(token).length).toBeGreaterThan(0);
    expect([twoPads, onePad, noPad].map((token) => token.length - token.replaceAll('=', '').length)).toEqual([2, 1, 0]);
  });

  it.each([
    ['-', '+'],
    ['_', '/'],
  ])('strict decoding reads %s and refuses %s in its place', (url, plain) => {
    let token = tokenOf('hello');
    while (!token.includes(url)) token = tokenOf('hello');
    expect(fernet.decrypt(token).toString()).toBe('hello');
    isRefused(() => fernet.decrypt(token.replaceAll(url, plain)));
  });

  it.each([' ', '\n', '\r\n', '\t', '\0', '\u00a0', '\u200b', '\ufeff', '=', '.', '%', 'A'])(
    'strict decoding refuses a stray %j before, inside and after a token',
    (stray) => {
      for (const token of [twoPads, onePad, noPad]) {
        isRefused(() => fernet.decrypt(stray + token));
        isRefused(() => fernet.decrypt(token.slice(0, 40) + stray + token.slice(40)));
        isRefused(() => fernet.decrypt(token + stray));
      }
    },
  );

  it('strict decoding refuses missing padding', () => {
    isRefused(() => fernet.decrypt(twoPads.slice(0, -1)));
    isRefused(() => fernet.decrypt(twoPads.slice(0, -2)));
    isRefused(() => fernet.decrypt(onePad.slice(0, -1)));
  });

  it('strict decoding refuses every other spelling of the last byte', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    for (const token of [twoPads, onePad]) {
      const end = token.indexOf('=') - 1;
      const spellings = [...alphabet].map((last) => token.slice(0, end) + last + token.slice(end + 1));
      const same = spellings.filter((spelling) =>
        Buffer.from(spelling, 'base64url').equals(Buffer.from(token, 'base64url')),
      );
      expect(same.length).toBeGreaterThan(1);
      expect(spellings.filter((spelling) => refusal(() => fernet.decrypt(spelling)) === undefined)).toEqual([token]);
    }
  });

  it('strict decoding refuses characters whose low byte would be the right one', () => {
    isRefused(() => fernet.decrypt(String.fromCharCode(0x100 + twoPads.charCodeAt(0)) + twoPads.slice(1)));
  });

  it('strict decoding refuses what is no token at all', () => {
    for (const token of ['', '=', 'g', 'gAAAAA==', twoPads.slice(0, 96), `${twoPads}${twoPads}`]) {
      isRefused(() => fernet.decrypt(token));
      isRefused(() => fernet.extractTimestamp(token));
      isRefused(() => fernetTimestamp(token));
    }
    for (const token of [undefined, null, 7, {}, [1, 2], Buffer.from(twoPads)]) {
      isRefused(() => fernet.decrypt(token as unknown as string));
    }
  });

  it('another version, a foreign length and an empty ciphertext are refused even when signed', () => {
    const bytes = Buffer.from(twoPads, 'base64url');
    const versions = [0x00, 0x7f, 0x81].map((version) => Buffer.concat([Buffer.of(version), bytes.subarray(1)]));
    const lengths = [0, 1, 15, 17].map((size) =>
      Buffer.concat([bytes.subarray(0, 25), Buffer.alloc(size), Buffer.alloc(32)]),
    );
    for (const forged of [...versions, ...lengths]) {
      isRefused(() => fernet.decrypt(signedAgain(padded(forged), key)));
      isRefused(() => fernet.extractTimestamp(signedAgain(padded(forged), key)));
    }
    expect(fernet.decrypt(signedAgain(padded(bytes), key)).toString()).toBe('x');
  });

  it('a wrong padding is refused even when signed', () => {
    // In CBC, what is added to the IV is added to the first block: 0x0f bytes of padding become what we like.
    const withPadding = (value: number): string => {
      const bytes = Buffer.from(twoPads, 'base64url');
      bytes.writeUInt8(bytes.readUInt8(24) ^ 0x0f ^ value, 24);
      return signedAgain(padded(bytes), key);
    };
    expect(fernet.decrypt(withPadding(0x0f)).toString()).toBe('x');
    expect(fernet.decrypt(withPadding(0x01)).length).toBe(15);
    for (const value of [0x00, 0x02, 0x0e, 0x10, 0x11, 0x20, 0xff]) {
      isRefused(() => fernet.decrypt(withPadding(value)));
    }
  });

  it.each(['', 'abc', generateKey().slice(0, -1), `${generateKey()}=`, ` ${generateKey()}`, 'A'.repeat(44)])(
    'the key %j is refused without being repeated',
    (text) => {
      const error = refusal(() => new Fernet(text));
      expect(error).toBeInstanceOf(RangeError);
      if (text !== '') expect(inspect(error)).not.toContain(text);
    },
  );

  it('a key with bits after its last byte is refused', () => {
    const canonical = `${'A'.repeat(43)}=`;
    expect(new Fernet(canonical)).toBeInstanceOf(Fernet);
    expect(refusal(() => new Fernet(`${'A'.repeat(42)}B=`))).toBeInstanceOf(RangeError);
  });
});

describe('a refusal', () => {
  const fernet = new Fernet(generateKey());
  const key = randomBytes(32);
  const made = seconds(1000);
  const token = encryptFernet({ key, plaintext: Buffer.from('x'), now: made, iv: randomBytes(16) });
  const badPadding = Buffer.from(token, 'base64url');
  badPadding.writeUInt8(badPadding.readUInt8(24) ^ 0x1f, 24);

  it('a refusal is the same for every cause, down to the stack', () => {
    const attempts = [
      { token, now: seconds(1061), ttlSeconds: 60 },
      { token, now: seconds(939), ttlSeconds: 60 },
      { token: `${token}=` },
      { token: token.slice(0, -4) },
      { token: '' },
      { token: signedAgain(padded(badPadding), key) },
      { token: padded(badPadding) },
    ];
    const errors = attempts.map((attempt) => refusal(() => decryptFernet({ key, ...attempt })) as Error);
    const [first] = errors;
    expect(first).toBeInstanceOf(InvalidToken);
    for (const error of errors) {
      expect(error.stack).toBe(first?.stack);
      expect(error.name).toBe('InvalidToken');
      expect(error.message).toBe('The token is not valid.');
      expect(Object.getOwnPropertyNames(error).sort()).toEqual(['message', 'stack']);
    }
  });

  it('the classes Fernet and MultiFernet refuse with the same error', () => {
    isRefused(() => fernet.decrypt(token));
    isRefused(() => new MultiFernet([fernet]).decrypt(token));
  });
});

describe('time', () => {
  const fernet = new Fernet(generateKey());
  const token = fernet.encryptAtTime('hello', seconds(1_000_000));
  const opensAt = (at: number, ttl: number): boolean =>
    refusal(() => fernet.decryptAtTime(token, ttl, seconds(at))) === undefined;

  it.each([
    [1_000_000, 60, true],
    [1_000_060, 60, true],
    [1_000_060.999, 60, true],
    [1_000_061, 60, false],
    [1_000_000, 0, true],
    [1_000_000.999, 0, true],
    [1_000_001, 0, false],
    [1_000_000, -1, false],
    [999_940, 60, true],
    [999_939.999, 60, false],
    [999_939, 60, false],
    [2_000_000, Number.POSITIVE_INFINITY, true],
    [1_000_000, Number.NaN, false],
    [Number.NaN, 60, false],
  ])('a token of second 1,000,000 at %d with a ttl of %d: opens %s', (at, ttl, opens) => {
    expect(opensAt(at, ttl)).toBe(opens);
  });

  it('time does not matter without a ttl', () => {
    const old = fernet.encryptAtTime('hello', seconds(0));
    const future = fernet.encryptAtTime('hello', seconds(8_640_000_000_000));
    expect(fernet.decrypt(old).toString()).toBe('hello');
    expect(fernet.decrypt(future).toString()).toBe('hello');
    isRefused(() => fernet.decrypt(old, 3600));
    isRefused(() => fernet.decrypt(future, 3600));
    expect(fernet.decrypt(fernet.encrypt('hello'), 3600).toString()).toBe('hello');
  });

  it('the check of the time is never skipped because an argument was forgotten', () => {
    const key = randomBytes(32);
    const made = encryptFernet({ key, plaintext: Buffer.from('x'), now: seconds(0), iv: randomBytes(16) });
    expect(refusal(() => decryptFernet({ key, token: made, ttlSeconds: 60 }))).toBeInstanceOf(RangeError);
    const untyped = fernet.decryptAtTime.bind(fernet) as (...args: readonly unknown[]) => Buffer;
    isRefused(() => untyped(token, undefined, seconds(1_000_000)));
    isRefused(() => untyped(token, null, seconds(1_000_001)));
  });

  it('the time is cut to whole seconds and read back verified', () => {
    expect(fernet.extractTimestamp(fernet.encryptAtTime('', new Date(1999)))).toBe(1);
    expect(fernet.extractTimestamp(token)).toBe(1_000_000);
    isRefused(() => new Fernet(generateKey()).extractTimestamp(token));
    expect(fernetTimestamp(token)).toBe(1_000_000);
  });

  it('a time that has no place in a token is refused', () => {
    for (const at of [-1, Number.NaN]) {
      expect(refusal(() => fernet.encryptAtTime('', new Date(at)))).toBeInstanceOf(RangeError);
    }
  });

  it('a token of a time beyond 2^53 opens without a ttl, not with one, and is rotated unchanged', () => {
    const key = randomBytes(32);
    const newKey = randomBytes(32);
    const plaintext = Buffer.from('hello');
    const bytes = Buffer.from(encryptFernet({ key, plaintext, now: seconds(0), iv: randomBytes(16) }), 'base64url');
    bytes.writeBigUInt64BE(2n ** 64n - 3n, 1);
    const far = signedAgain(padded(bytes), key);
    expect(decryptFernet({ key, token: far }).toString()).toBe('hello');
    isRefused(() => decryptFernet({ key, token: far, now: new Date(), ttlSeconds: 60 }));
    isRefused(() => fernetTimestamp(far));
    const rotated = rotateFernet({ key, newKey, token: far, iv: randomBytes(16) });
    expect(Buffer.from(rotated, 'base64url').readBigUInt64BE(1)).toBe(2n ** 64n - 3n);
    expect(decryptFernet({ key: newKey, token: rotated }).toString()).toBe('hello');
  });
});

describe('Fernet', () => {
  it('Fernet makes keys of 32 bytes that it takes, each another', () => {
    const keys = Array.from({ length: 50 }, generateKey);
    expect(new Set(keys).size).toBe(50);
    for (const key of keys) expect(key).toMatch(/^[\w-]{43}=$/);
    for (const key of keys) expect(new Fernet(key)).toBeInstanceOf(Fernet);
  });

  it('Fernet never uses an IV twice', () => {
    const fernet = new Fernet(generateKey());
    const ivs = Array.from({ length: 2000 }, () =>
      Buffer.from(fernet.encrypt(''), 'base64url').subarray(9, 25).toString('hex'),
    );
    expect(new Set(ivs).size).toBe(2000);
  });

  it('Fernet refuses text that UTF-8 would change', () => {
    const fernet = new Fernet(generateKey());
    expect(refusal(() => fernet.encrypt('\ud83d'))).toBeInstanceOf(TypeError);
    expect(fernet.decrypt(fernet.encrypt('\ud83d\ude00')).toString()).toBe('\ud83d\ude00');
  });

  it('Fernet does not show its key when printed, spread or serialised', () => {
    const secret = generateKey();
    const fernet = new Fernet(secret);
    const multi = new MultiFernet([fernet]);
    for (const instance of [fernet, multi]) {
      const printed = [
        inspect(instance, { showHidden: true, depth: Number.POSITIVE_INFINITY }),
        JSON.stringify(instance),
        String(instance),
        JSON.stringify({ ...instance }),
        Object.getOwnPropertyNames(instance).join(),
      ].join('\n');
      expect(printed).not.toContain(secret.slice(0, 20));
      expect(printed).not.toContain(bytesOfKey(secret).subarray(0, 8).toString('hex'));
      expect(printed).not.toMatch(/Buffer|Uint8Array/);
    }
  });

  it('Fernet returns bytes that share no memory with other buffers', () => {
    const fernet = new Fernet(generateKey());
    const opened = fernet.decrypt(fernet.encrypt('hello'));
    expect(opened.buffer.byteLength).toBeLessThanOrEqual(16);
  });

  it('Fernet takes only keys and IVs of the right size', () => {
    const [key, iv, plaintext, now] = [randomBytes(32), randomBytes(16), Buffer.alloc(1), new Date()];
    const token = encryptFernet({ key, iv, plaintext, now });
    for (const size of [0, 16, 31, 33, 64]) {
      const wrong = randomBytes(size);
      expect(refusal(() => encryptFernet({ key: wrong, iv, plaintext, now }))).toBeInstanceOf(RangeError);
      expect(refusal(() => decryptFernet({ key: wrong, token }))).toBeInstanceOf(RangeError);
      expect(refusal(() => verifyFernet({ key: wrong, token }))).toBeInstanceOf(RangeError);
    }
    expect(refusal(() => encryptFernet({ key, iv: randomBytes(12), plaintext, now }))).toBeInstanceOf(RangeError);
  });
});

describe('MultiFernet', () => {
  const [oldest, old, fresh] = [new Fernet(generateKey()), new Fernet(generateKey()), new Fernet(generateKey())];
  const multi = new MultiFernet([fresh, old, oldest]);

  it('MultiFernet encrypts under the first key and opens tokens of each', () => {
    expect(fresh.decrypt(multi.encrypt('hello')).toString()).toBe('hello');
    isRefused(() => old.decrypt(multi.encrypt('hello')));
    for (const fernet of [oldest, old, fresh]) {
      const token = fernet.encryptAtTime('hello', seconds(5000));
      expect(multi.decrypt(token).toString()).toBe('hello');
      expect(multi.decryptAtTime(token, 60, seconds(5060)).toString()).toBe('hello');
      expect(multi.extractTimestamp(token)).toBe(5000);
      isRefused(() => multi.decryptAtTime(token, 60, seconds(5061)));
      isRefused(() => multi.decrypt(token, 60));
    }
    expect(multi.extractTimestamp(multi.encryptAtTime('hello', seconds(7)))).toBe(7);
  });

  it('MultiFernet refuses a token of a key that it does not have', () => {
    const foreign = new Fernet(generateKey()).encrypt('hello');
    isRefused(() => multi.decrypt(foreign));
    isRefused(() => multi.rotate(foreign));
    isRefused(() => multi.extractTimestamp(foreign));
  });

  it('MultiFernet rotates to the first key and keeps the timestamp, also of a token long expired', () => {
    for (const fernet of [oldest, old, fresh]) {
      const token = fernet.encryptAtTime('hello', seconds(1234));
      const rotated = multi.rotate(token);
      expect(rotated).not.toBe(token);
      expect(fresh.decrypt(rotated).toString()).toBe('hello');
      expect(fresh.extractTimestamp(rotated)).toBe(1234);
    }
  });

  it('MultiFernet needs a key, and does not change with the list it was made from', () => {
    expect(refusal(() => new MultiFernet([]))).toBeInstanceOf(RangeError);
    const list = [fresh];
    const own = new MultiFernet(list);
    list.push(old);
    isRefused(() => own.decrypt(old.encrypt('hello')));
  });
});

describe('any token', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const input = fc.record({
    key: bytes(32),
    plaintext: fc.uint8Array({ maxLength: 300 }),
    now: fc.date({ min: new Date(0), noInvalidDate: true }),
    iv: bytes(16),
  });

  it('any token opens to what went in, under its key, at its time', () => {
    fc.assert(
      fc.property(input, ({ key, plaintext, now, iv }) => {
        const token = encryptFernet({ key, plaintext, now, iv });
        expect(decryptFernet({ key, token, now, ttlSeconds: 0 }).equals(plaintext)).toBe(true);
        expect(fernetTimestamp(token)).toBe(Math.floor(now.getTime() / 1000));
      }),
      { numRuns: count(5000), seed },
    );
  });

  it('a token is refused with one character changed, removed or added, or one bit of its signing key flipped', () => {
    const character = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n%é');
    fc.assert(
      fc.property(input, fc.nat(), character, fc.nat(127), (made, place, changed, bit) => {
        const token = encryptFernet(made);
        const at = place % token.length;
        const [before, after] = [token.slice(0, at), token.slice(at + 1)];
        if (token[at] !== changed) isRefused(() => decryptFernet({ key: made.key, token: before + changed + after }));
        isRefused(() => decryptFernet({ key: made.key, token: before + after }));
        isRefused(() => decryptFernet({ key: made.key, token: before + changed + token.slice(at) }));
        const key = Uint8Array.from(made.key, (byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
        isRefused(() => decryptFernet({ key, token }));
      }),
      { numRuns: count(5000), seed },
    );
  });

  it('any other text is refused, with nothing but InvalidToken', () => {
    const key = randomBytes(32);
    const character = fc.nat(0x17f).map((code) => String.fromCharCode(code));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: character, maxLength: 200 }), fc.base64String()), (token) => {
        isRefused(() => decryptFernet({ key, token }));
        isRefused(() => verifyFernet({ key, token }));
        isRefused(() => fernetTimestamp(token));
      }),
      { numRuns: count(2000), seed },
    );
  });

  it('a token of about 64 KiB opens to what went in', () => {
    const fernet = new Fernet(generateKey());
    for (const size of [65_535, 65_536, 65_537, 1_000_000]) {
      const plaintext = randomBytes(size);
      expect(fernet.decrypt(fernet.encrypt(plaintext), 60).equals(plaintext)).toBe(true);
    }
  });
});
