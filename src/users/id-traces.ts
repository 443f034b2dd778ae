import { sql } from 'kysely';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';

/**
 * Whether anything in the database names this user id. Such an id was somebody's, even if no user bears it now. Seals are not
 * looked at: a row that was changed is a trace all the same. What has an index is asked first.
 */
export const isIdUsed = async (tx: Tx, id: UserId): Promise<boolean> => {
  const { rows } = await sql<{ used: boolean }>`select exists (select 1 from public.users where id = ${id})
    or exists (select 1 from public.closed_identities where user_id = ${id})
    or exists (select 1 from public.owner_keys where owner_id = ${id})
    or exists (select 1 from public.logins where user_id = ${id})
    or exists (select 1 from public.tokens where user_id = ${id})
    or exists (select 1 from public.idempotency_keys where user_id = ${id})
    or exists (select 1 from public.jobs where requested_by = ${id})
    or exists (select 1 from public.handovers where from_user = ${id} or to_user = ${id} or requested_by = ${id})
    or exists (select 1 from public.events where user_id = ${id})
    or exists (select 1 from public.webhooks where owner_id = ${id})
    or exists (select 1 from public.session_participants where user_id = ${id})
    or exists (select 1 from public.secrets where owner_id = ${id})
    or exists (select 1 from public.secrets where shared_with @> jsonb_build_array(${id}::text))
    or exists (select 1 from public.memory_scopes where user_id = ${id})
    or exists (select 1 from public.memory_entities where author_id = ${id})
    or exists (select 1 from public.memory_observations where author_id = ${id})
    or exists (select 1 from public.memory_relations where author_id = ${id})
    or exists (select 1 from public.memory_entities where id = ${id})
    or exists (select 1 from public.memory_merges where merged_id = ${id})
    or exists (select 1 from public.audit_log where actor_id = ${id})
    or exists (select 1 from public.audit_log where target_id = ${id})
    or exists (select 1 from public.sessions where owner_id = ${id}) as used`.execute(tx);
  return rows[0]?.used !== false;
};
