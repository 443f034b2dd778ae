import type { SecretId, SessionId, UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';

/*
 * The memory graph. None of these rows has a seal, since nothing about a secret is ever decided by them; SECURITY.md says
 * what somebody who writes the database can do to them.
 */

/** Where facts live: with one user, or in one session. Who may see a scope is read from users and participants. */
export interface MemoryScopeRow {
  id: string;
  user_id: UserId | null;
  session_id: SessionId | null;
}

/**
 * A remembered entity; or, without a scope, the anchor of a derived node: its id is the source's id, and remembered facts
 * about the source refer to it.
 */
export interface MemoryEntityRow {
  id: string;
  scope_id: string | null;
  type: string;
  /** Null for an anchor, and where the author was erased while facts of others refer to the entity. */
  name: string | null;
  attributes: JsonObject;
  tags: readonly string[];
  /** True for what `createActivity` made. */
  is_activity: boolean;
  /** The same as the id in the anchor of a secret, so that the anchor goes with the secret; null in every other row. */
  secret_id: SecretId | null;
  author_id: UserId | null;
  agent: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
  /** Folded name, aliases, tags and attributes: the text that search looks through. */
  search: string;
  keys: readonly number[];
}

/** The names and aliases of entities: each is unique in its scope. */
export interface MemoryNameRow {
  scope_id: string;
  name: string;
  entity_id: string;
  is_alias: boolean;
}

/** The id of an entity that was merged into another. */
export interface MemoryMergeRow {
  merged_id: string;
  entity_id: string;
}

/** What a user remembers of a derived node, in their own scope. */
export interface MemoryMetadataRow {
  entity_id: string;
  scope_id: string;
  metadata: JsonObject;
  author_id: UserId | null;
  agent: string | null;
  updated_at: Date;
}

export interface MemoryObservationRow {
  id: string;
  entity_id: string;
  scope_id: string;
  content: string;
  /** SHA-256 of the content. */
  digest: Buffer;
  source: string | null;
  confidence: number | null;
  author_id: UserId | null;
  agent: string | null;
  valid_at: Date | null;
  invalid_at: Date | null;
  created_at: Date;
  search: string;
  keys: readonly number[];
}

export interface MemoryRelationRow {
  id: string;
  scope_id: string;
  from_id: string;
  to_id: string;
  type: string;
  attributes: JsonObject;
  source: string | null;
  confidence: number | null;
  author_id: UserId | null;
  agent: string | null;
  valid_at: Date | null;
  invalid_at: Date | null;
  created_at: Date;
}

/** A recorded use of a secret that an activity contains. */
export interface MemoryUseRow {
  use_id: string;
  activity_id: string;
}
