import type { Readable } from 'node:stream';
import type { Caller } from '../core/caller.ts';
import type { JsonObject } from '../core/json.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import type { EdgeView, End, EntityView, NodeView, ObservationView, RememberedEdge } from './model.ts';

export type * from './model.ts';

/**
 * Which facts a read shows: `session` those of the caller and of the session, `all` those of the caller and of all their
 * sessions, `audience` only what every present participant of the session may see.
 */
export const modes = ['session', 'all', 'audience'] as const;
export type Mode = (typeof modes)[number];

/** What every read takes. Without a mode: `audience` in a session of several, `session` alone in one, `all` outside. */
export interface Reading {
  readonly mode?: Mode;
  /** Shows what held at this moment. Without it: what holds now; `get` and the JSON export show ended facts too. */
  readonly asOf?: Date;
}

export type Direction = 'in' | 'out' | 'both';

/** How a request names an entity: by its id, or by its exact name, within one scope. */
export type EntityRef =
  | { readonly id: string }
  | {
      readonly name: string;
      readonly type?: string;
      /** The session whose entity is meant; null for the caller's own; left out for whichever the caller can see. */
      readonly session_id?: string | null;
    };

/** Where facts go: a session that the caller is in (our id or its external one), null for the caller's own, left out: the request's. */
interface Placed {
  readonly session_id?: string | null;
}

interface Validity {
  readonly valid_at?: Date | null;
  readonly invalid_at?: Date | null;
}

export interface NewEntity extends Placed {
  readonly type: string;
  readonly name: string;
  readonly observations?: readonly string[];
  readonly attributes?: JsonObject;
  readonly tags?: readonly string[];
}

export interface NewObservations extends Placed, Validity {
  readonly entity: EntityRef;
  readonly contents: readonly string[];
  readonly source?: string | null;
  readonly confidence?: number | null;
}

export interface ObservationsToDelete {
  readonly entity: EntityRef;
  readonly contents: readonly string[];
}

export interface NewRelation extends Placed, Validity {
  readonly from: EntityRef;
  readonly to: EntityRef;
  readonly type: string;
  readonly attributes?: JsonObject;
  readonly source?: string | null;
  readonly confidence?: number | null;
}

export interface RelationToDelete {
  readonly from: EntityRef;
  readonly to: EntityRef;
  readonly type: string;
}

export interface ChangeEntity {
  readonly name?: string;
  readonly attributes?: JsonObject;
  readonly tags?: readonly string[];
}

export interface NewActivity extends Placed {
  readonly type: string;
  readonly content: string;
  readonly secrets_used?: readonly string[];
}

export interface CreatedEntity {
  readonly entity: EntityView;
  readonly created: boolean;
}

export interface AddedObservation {
  readonly entity_id: string;
  readonly observation: ObservationView;
  /** False where the same fact holds already. */
  readonly created: boolean;
}

export interface CreatedRelation {
  readonly relation: RememberedEdge;
  readonly created: boolean;
}

export interface SearchInput extends Reading {
  readonly q: string;
  readonly type?: string;
  readonly tag?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly limit: number;
}

/** Where an entity matches: a name, an alias, a tag, an attribute, or an observation by its id. */
export interface SearchMatch {
  readonly in: 'name' | 'alias' | 'tag' | 'attribute' | 'observation';
  readonly text: string;
  readonly observation_id: string | null;
}

export interface SearchAnswer {
  readonly results: readonly {
    readonly entity: NodeView;
    readonly score: number;
    readonly matches: readonly SearchMatch[];
  }[];
  /** True where more was visible than is ranked or answered. */
  readonly truncated: boolean;
}

export interface GetAnswer {
  readonly entity: EntityView;
  /** True where the entity has more observations than one answer holds. */
  readonly observations_truncated: boolean;
  readonly relations?: readonly EdgeView[];
  readonly relations_truncated?: boolean;
}

export interface NeighbourhoodInput extends Reading {
  readonly hops: number;
  readonly direction: Direction;
  /** Only relations of these types. */
  readonly types?: readonly string[];
  /** The most entities that are answered, the first one included. */
  readonly limit: number;
}

export interface NeighbourhoodAnswer {
  readonly entities: readonly (NodeView & { readonly hops: number })[];
  readonly relations: readonly EdgeView[];
  readonly truncated: boolean;
}

export interface PathAnswer {
  /** The steps from the first entity to the last; null where there is no path of so few hops. */
  readonly path: readonly PathStep[] | null;
  /** True where the search stopped at its limit, so that a path may exist all the same. */
  readonly truncated: boolean;
}

/** A step of a path. `direction` is `in` where the step goes against the relation. */
export interface PathStep {
  readonly from: End;
  readonly to: End;
  readonly direction: 'in' | 'out';
  readonly relation: EdgeView;
}

export interface WholeInput extends Reading {
  readonly cursor?: string;
  readonly maxTokens: number;
}

export interface WholeAnswer {
  readonly entities: readonly (EntityView & {
    /** Present where an entity comes in several pages: `first`, `middle` or `last`. */
    readonly part?: 'first' | 'middle' | 'last';
  })[];
  /** Each relation once, on the page of the entity that it leads from. */
  readonly relations: readonly EdgeView[];
  readonly next_cursor: string | null;
}

export interface ListInput extends Reading {
  readonly limit: number;
  readonly cursor?: string;
}

export interface NodeList {
  readonly items: readonly NodeView[];
  readonly next_cursor: string | null;
}

export interface ActivityView {
  readonly entity: EntityView;
  /** Those of the recorded uses that the caller may see. */
  readonly uses: readonly NodeView[];
}

export interface ActivityList {
  readonly items: readonly ActivityView[];
  readonly next_cursor: string | null;
}

export type TransferFormat = 'jsonl' | 'json';

export interface ExportInput extends Reading {
  readonly format: TransferFormat;
  /** Only the facts of this session; null only the caller's own; left out what the mode shows. */
  readonly session_id?: string | null;
}

export interface ExportAnswer {
  readonly contentType: string;
  /** What the export leaves out, by reason: `ended` facts, `derived` nodes with their `derived_relations`. */
  readonly omitted: { readonly ended: number; readonly derived: number; readonly derived_relations: number };
  readonly text: string;
}

export interface ImportInput extends Placed {
  readonly format: TransferFormat;
  /** `drop` leaves out relations to unknown names, and counts them; else they are refused. */
  readonly dangling: 'refuse' | 'drop';
  readonly body: Readable;
}

export interface ImportAnswer {
  readonly entities: { readonly created: number; readonly existing: number };
  readonly observations: { readonly created: number; readonly existing: number };
  readonly relations: { readonly created: number; readonly existing: number; readonly dropped: number };
  readonly session_id: string | null;
}

/** What an erasure of memories removed, by table. */
export interface MemoryReceipt {
  readonly entities: number;
  readonly observations: number;
  readonly relations: number;
  readonly names: number;
  readonly metadata: number;
  readonly uses: number;
  /** Entities that keep their id, without name, attributes and author, since facts of others refer to them. */
  readonly anonymised: number;
}

/** Everything that can be done with the memory graph, for the caller that comes first. */
export interface Graph {
  createUserEntity(
    caller: Caller,
    input: { readonly userId?: string; readonly username: string; readonly metadata?: JsonObject },
  ): Promise<EntityView>;
  createSessionEntity(
    caller: Caller,
    input: { readonly sessionId: string; readonly metadata?: JsonObject },
  ): Promise<EntityView>;
  createSecretEntity(
    caller: Caller,
    input: { readonly secretId: string; readonly metadata?: JsonObject },
  ): Promise<EntityView>;
  createActivity(caller: Caller, input: NewActivity, request: IdempotentRequest | null): Promise<ActivityView>;
  createEntities(
    caller: Caller,
    entities: readonly NewEntity[],
    request: IdempotentRequest | null,
  ): Promise<readonly CreatedEntity[]>;
  addObservations(
    caller: Caller,
    observations: readonly NewObservations[],
    request: IdempotentRequest | null,
  ): Promise<readonly AddedObservation[]>;
  createRelations(
    caller: Caller,
    relations: readonly NewRelation[],
    request: IdempotentRequest | null,
  ): Promise<readonly CreatedRelation[]>;
  deleteEntities(caller: Caller, ids: readonly string[]): Promise<{ readonly deleted: number }>;
  deleteObservations(
    caller: Caller,
    observations: readonly ObservationsToDelete[],
  ): Promise<{ readonly deleted: number }>;
  deleteRelations(caller: Caller, relations: readonly RelationToDelete[]): Promise<{ readonly deleted: number }>;
  endObservation(caller: Caller, id: string, invalidAt: Date | null): Promise<ObservationView>;
  endRelation(caller: Caller, id: string, invalidAt: Date | null): Promise<RememberedEdge>;
  /** Throws `revision_mismatch` unless `version` is the entity's; null changes any version. */
  updateEntity(caller: Caller, id: string, change: ChangeEntity, version: number | null): Promise<EntityView>;
  mergeEntities(caller: Caller, id: string, into: string): Promise<EntityView>;

  get(caller: Caller, id: string, reading: Reading & { readonly relations?: boolean }): Promise<GetAnswer>;
  /** The one visible entity of this exact name. Throws `state_conflict` with the candidates where there are several. */
  resolve(caller: Caller, ref: EntityRef, reading: Reading): Promise<EntityView>;
  search(caller: Caller, input: SearchInput): Promise<SearchAnswer>;
  neighbourhood(caller: Caller, id: string, input: NeighbourhoodInput): Promise<NeighbourhoodAnswer>;
  path(
    caller: Caller,
    input: Reading & { readonly from: string; readonly to: string; readonly maxHops: number },
  ): Promise<PathAnswer>;
  whole(caller: Caller, input: WholeInput): Promise<WholeAnswer>;
  activities(caller: Caller, sessionId: string, input: ListInput): Promise<ActivityList>;
  sessionsOfUser(caller: Caller, userId: string, input: ListInput): Promise<NodeList>;
  secretsOfUser(caller: Caller, userId: string, input: ListInput): Promise<NodeList>;

  export(caller: Caller, input: ExportInput): Promise<ExportAnswer>;
  import(caller: Caller, input: ImportInput): Promise<ImportAnswer>;
  /** Forgets the caller's own scope and what they or their agents recorded in any session. */
  forgetMe(caller: Caller): Promise<MemoryReceipt>;
}
