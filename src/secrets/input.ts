import { invalid } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Exposure, Scope, SecretType } from '../core/secret-types.ts';

/** What creates a secret, shapes already checked at the edge. */
export interface CreateSecret {
  readonly name: string;
  readonly type: SecretType;
  readonly value: string;
  readonly scope?: Scope;
  /** A session by our id or the platform's own; for scope session the caller's own session where it is left out. */
  readonly session_id?: string | null;
  readonly shared_with?: readonly UserId[];
  readonly description?: string | null;
  readonly tags?: readonly string[];
  readonly expires_at?: Date | null;
  readonly rotate_after?: Date | null;
  readonly metadata?: JsonObject;
  readonly exposure?: Exposure;
}

export interface ChangeSecret {
  readonly name?: string;
  readonly type?: SecretType;
  readonly description?: string | null;
  readonly tags?: readonly string[];
  readonly expires_at?: Date | null;
  readonly rotate_after?: Date | null;
  readonly metadata?: JsonObject;
  readonly exposure?: Exposure;
}

const maxValueBytes = 64 * 1024;

/** A value's bytes: 1 byte to 64 KiB of UTF-8, exactly as sent. A lone surrogate has no UTF-8 and is refused. */
export const valueBytes = (field: string, value: string): Buffer => {
  if (!value.isWellFormed()) throw invalid(field, 'contains an unpaired surrogate, which UTF-8 cannot encode.');
  const bytes = Buffer.from(value, 'utf8');
  if (bytes.length === 0) throw invalid(field, 'must not be empty.');
  if (bytes.length > maxValueBytes) throw invalid(field, 'must have at most 65536 bytes of UTF-8.');
  return bytes;
};

export const refuseUnlessFuture = (field: string, moment: Date | null | undefined, now: Date): void => {
  if (moment && moment.getTime() <= now.getTime()) throw invalid(field, 'must be in the future.');
};

/** Checks the combination of scope, session and grantees that a creation names. */
export const checkPlacement = (input: Pick<CreateSecret, 'scope' | 'session_id' | 'shared_with'>): void => {
  const scope = input.scope ?? 'user';
  const grantees = input.shared_with ?? [];
  if (scope === 'shared' && grantees.length === 0)
    throw invalid('shared_with', 'is empty. Use scope user, and share later.');
  if (scope !== 'shared' && grantees.length > 0) throw invalid('shared_with', 'is allowed only with scope shared.');
  if (scope !== 'session' && input.session_id != null)
    throw invalid('session_id', 'is allowed only with scope session.');
  if (new Set(grantees).size !== grantees.length) throw invalid('shared_with', 'names a user twice.');
};
