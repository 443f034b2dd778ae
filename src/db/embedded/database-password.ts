import { createHash, createHmac, hkdfSync, pbkdf2Sync, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Redacted } from '../../core/redacted.ts';
import { errorCode, explainFileErrors, unavailable } from './failure.ts';
import { draftName } from './leftovers.ts';

/** The one random secret from which every password of the embedded server is derived. */
export type DatabaseSecret = Redacted<Buffer>;

/** The secret in `path`, or null if there is no file. Throws if it is not a regular file or contains no secret. */
export const readSecret = (path: string): Promise<DatabaseSecret | null> =>
  explainFileErrors(path, async () => {
    const text = await readRegularFile(path);
    if (text === null) return null;
    if (/^[0-9a-f]{64}\n?$/.test(text)) return new Redacted(Buffer.from(text.trim(), 'hex'));
    throw unavailable(`${path} does not contain the database's password. Restore it from a backup.`);
  });

const readRegularFile = async (path: string): Promise<string | null> => {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    return await file.readFile('utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
};

/** Creates the secret and flushes it to disk. Two services that do so at the same time get the one that came first. */
export const makeSecret = (path: string): Promise<DatabaseSecret> =>
  explainFileErrors(path, async () => {
    const draft = draftName(path);
    await writeDurably(draft, `${randomBytes(32).toString('hex')}\n`);
    try {
      await link(draft, path);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    } finally {
      await unlink(draft);
    }
    await flushDirectory(dirname(path));
    const secret = await readSecret(path);
    if (secret === null) throw unavailable(`${path} vanished while it was created. Start again.`);
    return secret;
  });

const writeDurably = async (path: string, text: string): Promise<void> => {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
};

/** Flushes a directory, so that what was created, renamed or removed in it survives a power cut. */
export const flushDirectory = async (path: string): Promise<void> => {
  await using directory = await open(path, constants.O_RDONLY);
  await directory.sync();
};

const derive = (secret: DatabaseSecret, purpose: string, length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', secret.expose(), '', `keyhold embedded database: ${purpose}`, length));

/** The password of a role. */
export const passwordOf = (secret: DatabaseSecret, role: string): Redacted<string> =>
  new Redacted(derive(secret, `password of ${role}`, 32).toString('base64url'));

/** A name that no other user of this machine can guess and occupy, the same for the same directory. */
export const unguessableName = (secret: DatabaseSecret, directory: string): string =>
  derive(secret, `socket for ${directory}`, 8).toString('hex');

/**
 * What PostgreSQL stores of a role's password (SCRAM-SHA-256, RFC 5803 in PostgreSQL's form). PostgreSQL accepts it in
 * place of a password, so that the password itself is in no file and no statement. The salt is derived too, so that a
 * comparison tells whether the stored verifier is up to date.
 */
export const scramVerifier = (secret: DatabaseSecret, role: string): string => {
  const salt = derive(secret, `salt of ${role}`, 16);
  const salted = pbkdf2Sync(passwordOf(secret, role).expose(), salt, 4096, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$4096:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
};
