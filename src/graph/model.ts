import type { UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';

/** Who wrote a fact, and where it lives. */
export interface Origin {
  readonly author_id: UserId | null;
  readonly agent: string | null;
  /** The session to which the fact belongs; null where it is its owner's own. */
  readonly session_id: string | null;
}

/** When a fact holds, in RFC 3339: from `valid_at` up to, not including, `invalid_at`. */
export interface Times {
  readonly valid_at: string | null;
  readonly invalid_at: string | null;
  readonly created_at: string;
}

export interface ObservationView extends Origin, Times {
  readonly id: string;
  readonly content: string;
  readonly source: string | null;
  readonly confidence: number | null;
}

export interface DerivedNode {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly derived: true;
  readonly attributes: JsonObject;
}

export interface RememberedNode extends Origin {
  readonly id: string;
  readonly type: string;
  /** Null where the author was erased while facts of others refer to the entity. */
  readonly name: string | null;
  readonly derived: false;
  readonly aliases: readonly string[];
  readonly attributes: JsonObject;
  readonly tags: readonly string[];
  readonly version: number;
  readonly created_at: string;
  readonly updated_at: string;
}

/** An entity without its observations. */
export type NodeView = DerivedNode | RememberedNode;

/** An entity as `get`, the whole graph and the answers to writes show it. */
export type EntityView = NodeView & {
  readonly observations: readonly ObservationView[];
  /** Of a derived node: what the caller remembers of it by createUserEntity and its like; null without. */
  readonly metadata?: JsonObject | null;
};

/** One end of a relation. */
export interface End {
  readonly id: string;
  readonly type: string;
  readonly name: string | null;
}

export interface DerivedEdge {
  readonly id: null;
  readonly type: string;
  readonly from: End;
  readonly to: End;
  readonly derived: true;
}

export interface RememberedEdge extends Origin, Times {
  readonly id: string;
  readonly type: string;
  readonly from: End;
  readonly to: End;
  readonly derived: false;
  readonly attributes: JsonObject;
  readonly source: string | null;
  readonly confidence: number | null;
}

export type EdgeView = DerivedEdge | RememberedEdge;
