import { KeyholdError } from '../core/errors.ts';
import type { Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { SecretRow } from '../db/tables/index.ts';
import { namesInPlace } from './queries.ts';

const nameTaken = (cause?: unknown): KeyholdError =>
  new KeyholdError(
    'name_taken',
    'A secret with this name already exists there. Choose another name or change that secret.',
    {
      cause,
    },
  );

/** Refuses an item of an import whose name is in use. `by` completes the sentence: "one of your secrets". */
export const nameInUse = (by: string): KeyholdError =>
  new KeyholdError('name_taken', `The name is already used by ${by} or by an earlier item.`);

/** Refuses a name that the owner already uses in that place, before the unique index would end the transaction. */
export const refuseTakenName = async (
  tx: Tx,
  { id, owner_id, name, session_id }: Pick<SecretRow, 'id' | 'owner_id' | 'name' | 'session_id'>,
): Promise<KeyholdError | null> => {
  const holder = (await namesInPlace(tx, owner_id, session_id, [name])).get(name);
  return holder !== undefined && holder !== id ? nameTaken() : null;
};

const nameIndices = new Set(['ux_secrets_owner_name', 'ux_secrets_session_owner_name']);

/** Turns a lost race for a name into the refusal that the check before it would have given. */
export const orNameTaken = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (nameIndices.has(violatedIndex(error) ?? '')) throw nameTaken(error);
    throw error;
  }
};
