import { describe, expect, it } from 'vitest';
import {
  backupKey,
  backupMacKey,
  digestKey,
  exportMacKey,
  jwtSeed,
  refreshKey,
  secretKey,
  wrappingKey,
} from '../../src/crypto/derive.ts';
import { type SealedTable, sealHolds, sealRow } from '../../src/crypto/seal.ts';
import { sealedTables } from '../../src/db/tables/index.ts';
import vectors from './data/keys_and_seals.json' with { type: 'json' };

const root = Buffer.from(vectors.root, 'hex');
const { row, owner, key: keyId } = vectors.ids;
const sealKey = { id: keyId, key: Buffer.from(vectors.sealKey, 'hex') };

describe('key derivation', () => {
  const derived: Record<keyof typeof vectors.derived, Buffer> = {
    'wrap owner': wrappingKey(root, { purpose: 'owner', rowId: row, ownerId: owner }),
    'wrap seal': wrappingKey(root, { purpose: 'seal', rowId: row, ownerId: null }),
    'wrap owner, of another row': wrappingKey(root, { purpose: 'owner', rowId: keyId, ownerId: owner }),
    'wrap owner, of another owner': wrappingKey(root, { purpose: 'owner', rowId: row, ownerId: keyId }),
    'secret, version 1': secretKey(root, keyId, row, 1),
    'secret, version 2': secretKey(root, keyId, row, 2),
    jwt: jwtSeed(root),
    refresh: refreshKey(root),
    digest: digestKey(root),
    backup: backupKey(root),
    'backup MAC': backupMacKey(root),
    'audit export MAC': exportMacKey(root),
  };

  it.each(Object.entries(vectors.derived))('key derivation gives the published key for: %s', (name, expected) => {
    expect(derived[name as keyof typeof derived].toString('hex')).toBe(expected);
  });

  it('key derivation gives another key for each purpose, row, owner and version', () => {
    expect(new Set(Object.values(vectors.derived)).size).toBe(Object.keys(vectors.derived).length);
  });
});

const plain: SealedTable = { table: 'plain', sealed: { id: 'uuid', note: 'text' }, unsealed: {} };
const later: SealedTable = {
  table: 'later',
  sealed: { id: 'uuid', note: 'text', colour: { kind: 'text', since: 2, default: null } },
  unsealed: {},
};
const every: SealedTable = {
  table: 'every',
  sealed: {
    id: 'uuid',
    note: 'text',
    count: 'int',
    revision: 'bigint',
    on: 'bool',
    at: 'time',
    data: 'json',
    raw: 'bytes',
  },
  unsealed: {},
};

const sealed: Record<keyof typeof vectors.seals, readonly [SealedTable, Record<string, unknown>, number?]> = {
  null: [plain, { id: row, note: null }],
  'empty text': [plain, { id: row, note: '' }],
  "the text 'null'": [plain, { id: row, note: 'null' }],
  'every kind': [
    every,
    {
      id: row,
      note: 'Grüße 🔑',
      count: -7,
      revision: Number.MAX_SAFE_INTEGER,
      on: true,
      at: new Date('2026-11-27T18:30:00.123Z'),
      data: { b: { c: true }, a: [1, 'ß', null] },
      raw: Buffer.from([0, 255, 1]),
    },
  ],
  'format 2': [later, { id: row, note: null, colour: 'red' }],
  'format 1 of the same table': [later, { id: row, note: null, colour: null }, 1],
};

describe('a seal', () => {
  it.each(Object.entries(vectors.seals))('the seal has the published bytes for: %s', (name, expected) => {
    const [table, content, format] = sealed[name as keyof typeof sealed];
    const seal = sealRow(sealKey, table, content, format);
    expect(seal.toString('hex')).toBe(expected);
    expect(sealHolds([sealKey], table, { ...content, seal })).toBe(true);
  });

  it('the seal of one row holds for no other row', () => {
    for (const [name, [table, content]] of Object.entries(sealed)) {
      for (const [other, seal] of Object.entries(vectors.seals)) {
        const given = { ...content, seal: Buffer.from(seal, 'hex') };
        expect(sealHolds([sealKey], table, given), `${name} with the seal of ${other}`).toBe(name === other);
      }
    }
  });
});

/** What each seal covers, written out: a column that is left out of a list by mistake shows here and nowhere else. */
const covered: Record<string, string> = {
  users:
    'id username username_key email display_name password_hash previous_password_hash password_reset_at issuer subject role status secrets_from metadata revision created_at',
  logins: 'id user_id refresh_generation created_at expires_at ended_at ip user_agent root_key_id',
  tokens: 'id user_id name token_hash permissions agent session_id created_at expires_at revoked_at',
  sessions:
    'id external_id owner_id title status expires_at ended_at metadata created_at issuer idle_after last_active_at erase_after cleaned_up_at',
  session_participants: 'session_id user_id role joined_at left_at named_since invited_at invited_by removed_at',
  owner_keys: 'id owner_id wrapped_key root_key_id state created_at',
  secrets:
    'id owner_id name type scope session_id shared_with description tags expires_at is_active metadata created_at version key_id exposure rotate_after deleted_at value_set_at revision',
  secret_versions: 'secret_id version key_id created_by created_at destroyed_at',
  audit_log:
    'id recorded_at request_id actor_id agent session_id token_id action target_type target_id outcome reason ip user_agent details nonce',
  idempotency_keys: 'user_id route key body_mac resource_ids created_at',
  closed_identities: 'entry mac kind user_id state created_at',
  closed_identity_count: 'id entries',
  root_keys: 'id state added_at last_signed_at unused_since retired_at',
  heartbeats: 'service_id host pid root_key_ids known_generation sealing_generation started_at seen_at',
  jobs: 'id kind params state cancellable cursor total done failed counts attempts reason requested_by created_at started_at finished_at revision',
  events: 'id event_id user_id lead type actor_id agent secret_id session_id revision details created_at',
  holds: 'id noticed_at seconds released_at',
  handovers: 'id kind secret_id from_user to_user requested_by keep_sharing state ready_at created_at decided_at',
  webhooks:
    'id owner_id url event_types state off_reason secret previous_secret previous_until revision created_at updated_at',
  webhook_deliveries: 'id webhook_id event_id event_row_id event_type secret_id position payload created_at',
  restores: 'id backup_id backup_created_at restored_at released_at',
};

describe('the seals of our tables', () => {
  it('the seals of our tables cover the columns that are written out here, in this order', () => {
    const actual = Object.entries(sealedTables).map(([name, { sealed: columns }]) => [
      name,
      Object.keys(columns).join(' '),
    ]);
    expect(Object.fromEntries(actual)).toEqual(covered);
  });
});
