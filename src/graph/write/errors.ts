import { type FieldError, KeyholdError, notFound } from '../../core/errors.ts';

/** The answer for what is hidden or absent, alike. `field` says which part of the request meant it; null for all of it. */
export const notFoundAt = (field: string | null): KeyholdError => {
  const error = notFound();
  if (field === null) return error;
  const detail = 'is not found, or you do not have access.';
  return new KeyholdError('not_found', error.message, { errors: [{ field, detail }] });
};

const conflict = (sentence: string, field: string | null, more: readonly FieldError[] = []): KeyholdError =>
  new KeyholdError('state_conflict', sentence, {
    errors: field === null ? more : [{ field, detail: 'is in conflict.' }, ...more],
  });

export const sessionOver = (field: string | null): KeyholdError =>
  conflict('The session has ended. What is remembered of it can be read, but not changed.', field);

export const derivedNode = (field: string | null): KeyholdError =>
  conflict('This is a user, a session, a secret or a use. It changes with its source, and not in the memory.', field);

export const ambiguous = (field: string | null, candidates: readonly FieldError[]): KeyholdError =>
  conflict(
    'Several entities that you can see have this name. Use the id of one of the candidates, or name its session.',
    field,
    candidates,
  );

/** Another entity of the scope has the name. The caller can see it, since it is in the scope that they write to. */
export const nameTaken = (field: string, holder: { readonly id: string; readonly type: string }): KeyholdError =>
  new KeyholdError('name_taken', `The name is already used by the ${holder.type} ${holder.id}. Choose another name.`, {
    errors: [{ field, detail: `is already used by the ${holder.type} ${holder.id}.` }],
  });

export const outsideOwnSession = (): KeyholdError =>
  new KeyholdError(
    'permission_missing',
    'This token is bound to a session and remembers things only there. Elsewhere it needs the permission graph:own.',
  );
