import { randomBytes } from 'node:crypto';
import { withOperatorApp } from '../src/app.ts';
import { createAudit } from '../src/audit/index.ts';
import type { Config } from '../src/config/config.ts';
import type { RootKeySource } from '../src/config/root-keys.ts';
import { operator } from '../src/core/caller.ts';
import { systemClock } from '../src/core/clock.ts';
import { newId, type UserId } from '../src/core/ids.ts';
import { type Database, inTransaction } from '../src/db/database.ts';
import { createOwnerKeys, createSeals, openKeyRing } from '../src/keys/index.ts';
import { beginClosedIdentities } from '../src/users/index.ts';
import { createInsertUser } from '../src/users/insert.ts';

export interface Growth {
  readonly config: Config;
  readonly rootKeys: RootKeySource;
  readonly database: Database;
  /** Users in all; the first `owners` of them keep secrets. */
  readonly users: number;
  readonly owners: number;
  readonly secretsEach: number;
}

const usersAtOnce = 250;
const secretsAtOnce = 2500;

/** Fills a database as the service would, rows sealed and values encrypted, without its HTTP. Users are `grown-0` and on. */
export const grow = async ({ users, owners, secretsEach, ...deps }: Growth): Promise<void> => {
  const { db } = deps.database;
  const onNewLookupKey = beginClosedIdentities(systemClock);
  const log = () => undefined;
  const keys = await openKeyRing({ db, clock: systemClock, source: deps.rootKeys, onNewLookupKey, log });
  const seals = createSeals(() => keys.held().sealKeys);
  const audit = createAudit({ clock: systemClock, seals, onRecord: () => undefined });
  const actor = operator('bench');
  const ownerKeys = createOwnerKeys({ clock: systemClock, rootKeys: () => keys.held().rootKeys, seals });
  const insertUser = createInsertUser({ clock: systemClock, audit, ownerKeys });
  const nothing = { passwordHash: null, email: null, displayName: null, metadata: {}, external: null };
  for (let from = 0; from < users; from += usersAtOnce) {
    await inTransaction(db, async (tx) => {
      for (let at = from; at < Math.min(users, from + usersAtOnce); at += 1) {
        const user = { ...nothing, id: newId<UserId>(), username: `grown-${at}`, role: 'member' as const };
        await insertUser(tx, user, { actor, details: {} });
      }
    });
  }
  await keys.close();
  await withOperatorApp({ ...deps, clock: systemClock }, async ({ secrets }) => {
    for (let owner = 0; owner < owners; owner += 1) {
      for (let from = 0; from < secretsEach; from += secretsAtOnce) {
        const items = Array.from({ length: Math.min(secretsAtOnce, secretsEach - from) }, (_, at) => ({
          name: `SECRET_${from + at}`,
          type: 'api_key' as const,
          value: randomBytes(16).toString('hex'),
          tags: [`tag${at % 7}`],
          session: null,
        }));
        await secrets.importFor(actor, `grown-${owner}`, { items, on_conflict: 'fail', dry_run: false });
      }
    }
  });
};
