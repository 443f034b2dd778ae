import { type Caller, withListPermission } from '../core/caller.ts';
import type { SecretId, UserId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import { mapDbErrors, type Tx } from '../db/database.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import type { UserReference } from '../users/index.ts';
import * as change from './change.ts';
import { type ChangeOptions, createContext, type SecretsDeps } from './context.ts';
import { createSecret } from './create.ts';
import { createBatched } from './create-batched.ts';
import { eraseUser } from './erase.ts';
import { type ImportResult, type ImportSecrets, importSecrets } from './import.ts';
import { type ImportFor, importFor } from './import-for.ts';
import type { ChangeSecret, CreateSecret } from './input.ts';
import { listSecrets, type SecretPage, type SecretStats, secretStats, secretsInSession } from './listing.ts';
import type { SecretFilter } from './queries.ts';
import { createRevealOne, type Revealed, type RevealItem, revealByIds, revealByNames } from './reveal.ts';
import { type AccessEntry, leaveShare, listAccess, shareSecret, unshareSecret } from './sharing.ts';
import { listVersions, restoreVersion, setValue, type VersionView } from './versions.ts';
import { type SecretView, viewOf } from './view.ts';

export type { ImportResult, ImportSecrets, OnConflict } from './import.ts';
export type { ImportFor } from './import-for.ts';
export type { ChangeSecret, CreateSecret } from './input.ts';
export type { SecretPage, SecretStats } from './listing.ts';
export type { SecretFilter } from './queries.ts';
export type { Revealed, RevealItem } from './reveal.ts';
export type { AccessEntry } from './sharing.ts';
export type { VersionView } from './versions.ts';
export type { SecretView } from './view.ts';

type Revision = Pick<ChangeOptions, 'revision'>;

/** Everything that can be done with secrets; each call decides by the one rule, for the caller that comes first. */
export interface Secrets {
  create(caller: Caller, input: CreateSecret, request: IdempotentRequest | null): Promise<SecretView>;
  import(caller: Caller, input: ImportSecrets, request: IdempotentRequest | null): Promise<ImportResult>;
  /** For the operator: secrets that will be another's; see import-for.ts. */
  importFor(caller: Caller, username: string, input: ImportFor): Promise<ImportResult>;
  list(caller: Caller, filter: SecretFilter, page: Page): Promise<SecretPage>;
  /** What the caller sees of the secrets that lie in one session, own ones also after its end. */
  inSession(caller: Caller, sessionId: string): Promise<readonly SecretView[]>;
  stats(caller: Caller): Promise<SecretStats>;
  get(caller: Caller, id: SecretId): Promise<SecretView>;
  /** The plaintext, once its audit record is committed. */
  reveal(caller: Caller, id: SecretId): Promise<Revealed>;
  revealMany(caller: Caller, ids: readonly SecretId[]): Promise<readonly RevealItem[]>;
  revealNamed(caller: Caller, names: readonly string[]): Promise<readonly RevealItem[]>;
  update(caller: Caller, id: SecretId, input: ChangeSecret, revision: Revision): Promise<SecretView>;
  setValue(caller: Caller, id: SecretId, value: string, revision: Revision): Promise<SecretView>;
  versions(caller: Caller, id: SecretId): Promise<readonly VersionView[]>;
  restore(caller: Caller, id: SecretId, version: number, request: IdempotentRequest | null): Promise<SecretView>;
  share(caller: Caller, id: SecretId, who: UserReference, revision: Revision): Promise<SecretView>;
  unshare(caller: Caller, id: SecretId, who: UserReference, revision: Revision): Promise<SecretView>;
  leaveShare(caller: Caller, id: SecretId): Promise<void>;
  access(caller: Caller, id: SecretId): Promise<readonly AccessEntry[]>;
  activate(caller: Caller, id: SecretId, revision: Revision): Promise<SecretView>;
  deactivate(caller: Caller, id: SecretId, revision: Revision): Promise<SecretView>;
  remove(caller: Caller, id: SecretId, purge: boolean, revision: Revision): Promise<void>;
  recover(caller: Caller, id: SecretId, revision: Revision): Promise<SecretView>;
  transfer(caller: Caller, id: SecretId, to: change.Destination, revision: Revision): Promise<SecretView>;
  /** Erases every secret of a user and takes them off the secrets of others; resolves to how many of each. */
  eraseUser(tx: Tx, userId: UserId): Promise<{ readonly erased: number; readonly unshared: number }>;
}

export const createSecrets = (deps: SecretsDeps): Secrets => {
  const context = createContext(deps);
  const atOnce = createBatched(context);

  /** The answer to a creation, whose own record tells of it already. A repeat decides afresh. */
  const created = async (caller: Caller, id: SecretId): Promise<SecretView> => {
    const evaluated = await mapDbErrors(context.load.evaluateOne(deps.db, withListPermission(caller), 'list', id));
    if (evaluated.kind !== 'allowed') throw evaluated.error;
    return viewOf(evaluated.loaded.row, evaluated.because, caller.userId, evaluated.loaded.now);
  };

  return {
    create: async (caller, input, request) =>
      // A key says that it may have been made already, which only the transaction can look at.
      (request === null ? await atOnce(caller, input) : null) ??
      (await created(caller, await createSecret(context, caller, input, request))),
    import: (caller, input, request) => importSecrets(context, caller, input, request),
    importFor: (caller, username, input) => importFor(context, caller, username, input),
    list: (caller, filter, page) => listSecrets(context, caller, filter, page),
    inSession: (caller, sessionId) => secretsInSession(context, caller, sessionId),
    stats: (caller) => secretStats(context, caller),
    get: async (caller, id) => (await context.look(caller, 'list', 'secret.get', id)).view,
    reveal: createRevealOne(context),
    revealMany: (caller, ids) => revealByIds(context, caller, ids),
    revealNamed: (caller, names) => revealByNames(context, caller, names),
    update: (caller, id, input, revision) => change.updateSecret(context, caller, id, input, revision),
    setValue: (caller, id, value, revision) => setValue(context, caller, id, value, revision),
    versions: (caller, id) => listVersions(context, caller, id),
    restore: (caller, id, version, request) => restoreVersion(context, caller, id, version, request),
    share: (caller, id, who, revision) => shareSecret(context, caller, id, who, revision),
    unshare: (caller, id, who, revision) => unshareSecret(context, caller, id, who, revision),
    leaveShare: (caller, id) => leaveShare(context, caller, id),
    access: (caller, id) => listAccess(context, caller, id),
    activate: (caller, id, revision) => change.activateSecret(context, caller, id, revision),
    deactivate: (caller, id, revision) => change.deactivateSecret(context, caller, id, revision),
    remove: (caller, id, purge, revision) =>
      (purge ? change.purge : change.deleteSoftly)(context, caller, id, revision),
    recover: (caller, id, revision) => change.recoverSecret(context, caller, id, revision),
    eraseUser: (tx, userId) => eraseUser(context, tx, userId),
    transfer: (caller, id, to, revision) => change.transferSecret(context, caller, id, to, revision),
  };
};
