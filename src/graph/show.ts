import type { SessionId } from '../core/ids.ts';
import type { MemoryEntityRow, MemoryObservationRow, MemoryRelationRow, MemoryScopeRow } from '../db/tables/index.ts';
import type { End, ObservationView, RememberedEdge, RememberedNode } from './operations.ts';

/** The columns of memory_entities that are shown. */
export const entityColumns = [
  ...([
    'id',
    'scope_id',
    'type',
    'name',
    'attributes',
    'tags',
    'is_activity',
    'author_id',
    'agent',
    'version',
  ] as const),
  ...(['created_at', 'updated_at'] as const),
] as const;
export type ShownEntity = Pick<MemoryEntityRow, (typeof entityColumns)[number]>;

/** The columns of memory_observations that are shown. */
export const observationColumns = [
  ...(['id', 'entity_id', 'scope_id', 'content', 'source', 'confidence', 'author_id', 'agent'] as const),
  ...(['valid_at', 'invalid_at', 'created_at'] as const),
] as const;
export type ShownObservation = Pick<MemoryObservationRow, (typeof observationColumns)[number]>;

/** The scopes that rows to be shown can lie in, by id. */
export type ScopesById = ReadonlyMap<string, Pick<MemoryScopeRow, 'session_id'>>;

const sessionOf = (scopes: ScopesById, scopeId: string | null): SessionId | null =>
  (scopeId === null ? null : scopes.get(scopeId)?.session_id) ?? null;

const instant = (date: Date | null): string | null => date?.toISOString() ?? null;

/** A remembered entity as it is shown. */
export const nodeOf = (row: ShownEntity, aliases: readonly string[], scopes: ScopesById): RememberedNode => ({
  id: row.id,
  type: row.type,
  name: row.name,
  derived: false,
  aliases,
  attributes: row.attributes,
  tags: row.tags,
  version: row.version,
  session_id: sessionOf(scopes, row.scope_id),
  author_id: row.author_id,
  agent: row.agent,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});

export const observationOf = (row: ShownObservation, scopes: ScopesById): ObservationView => ({
  id: row.id,
  content: row.content,
  source: row.source,
  confidence: row.confidence,
  session_id: sessionOf(scopes, row.scope_id),
  author_id: row.author_id,
  agent: row.agent,
  valid_at: instant(row.valid_at),
  invalid_at: instant(row.invalid_at),
  created_at: row.created_at.toISOString(),
});

/** A remembered relation between two ends as it is shown. */
export const edgeOf = (
  row: MemoryRelationRow,
  { from, to }: { readonly from: End; readonly to: End },
  scopes: ScopesById,
): RememberedEdge => ({
  id: row.id,
  type: row.type,
  from,
  to,
  derived: false,
  attributes: row.attributes,
  source: row.source,
  confidence: row.confidence,
  session_id: sessionOf(scopes, row.scope_id),
  author_id: row.author_id,
  agent: row.agent,
  valid_at: instant(row.valid_at),
  invalid_at: instant(row.invalid_at),
  created_at: row.created_at.toISOString(),
});
