import { sql } from 'kysely';
import type { SecretId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import { jsonOfRows } from '../../db/json-rows.ts';
import type { MemoryEntityRow } from '../../db/tables/index.ts';
import type { Target } from './targets.ts';

/** Writes the anchors of the derived nodes among these, to which facts refer. All writers insert them in one order. */
export const putAnchors = async (tx: Tx, targets: readonly Target[], at: Date): Promise<void> => {
  const nodes = new Map(targets.flatMap(({ derived }) => (derived ? [[derived.id, derived.type]] : [])));
  if (nodes.size === 0) return;
  const rows = [...nodes].map(([id, type]) => anchorOf(id, type, at)).sort((a, b) => (a.id < b.id ? -1 : 1));
  await sql`insert into public.memory_entities select * from json_populate_recordset(null::public.memory_entities,
    ${jsonOfRows(rows)}::json) on conflict do nothing`.execute(tx);
};

const anchorOf = (id: string, type: string, at: Date): MemoryEntityRow => ({
  id,
  scope_id: null,
  type,
  name: null,
  attributes: {},
  tags: [],
  is_activity: false,
  secret_id: type === 'SECRET' ? (id as SecretId) : null,
  author_id: null,
  agent: null,
  version: 1,
  created_at: at,
  updated_at: at,
  search: '',
  keys: [],
});
