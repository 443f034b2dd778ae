import { KeyholdError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';

/*
 * What an import holds, whichever format it came in. `place` says where: a line, or a path such as `entities/3`.
 */

export interface ImportedObservation {
  readonly content: string;
  readonly source: string | null;
  readonly confidence: number | null;
  readonly valid_at: Date | null;
  readonly invalid_at: Date | null;
  /** Null where the file does not say; it is then the time of the import. */
  readonly created_at: Date | null;
}

/** A remembered entity, by its name. */
export interface ImportedEntity {
  readonly place: string;
  readonly name: string;
  readonly type: string;
  /** Each once, and without the name. */
  readonly aliases: readonly string[];
  readonly attributes: JsonObject;
  readonly tags: readonly string[];
  readonly isActivity: boolean;
  /** Ids of the recorded uses that an activity contains. */
  readonly uses: readonly string[];
  readonly created_at: Date | null;
  readonly updated_at: Date | null;
  readonly observations: readonly ImportedObservation[];
}

/** What is remembered of a derived node, by its id. */
export interface ImportedAnchor {
  readonly place: string;
  readonly id: string;
  readonly metadata: JsonObject | null;
  readonly observations: readonly ImportedObservation[];
}

/** An end of a relation: a remembered entity by its name, or a derived node by its id. */
export type ImportedEnd = { readonly name: string } | { readonly id: string };

export interface ImportedRelation {
  readonly place: string;
  readonly from: ImportedEnd;
  readonly to: ImportedEnd;
  readonly type: string;
  readonly attributes: JsonObject;
  readonly source: string | null;
  readonly confidence: number | null;
  readonly valid_at: Date | null;
  readonly invalid_at: Date | null;
  readonly created_at: Date | null;
}

export interface Imported {
  readonly entities: readonly ImportedEntity[];
  readonly anchors: readonly ImportedAnchor[];
  readonly relations: readonly ImportedRelation[];
}

/** Entities and relations of one import. */
const maxImportRecords = 100_000;
/** Observations of one import, of all its entities together. */
const maxImportObservations = 250_000;
/** In bytes. An export is no larger, so that it can be imported. */
export const maxTransferBytes = 64 * 1024 * 1024;

/** The records of an import as they are read. Throws `payload_too_large` when they become too many. */
export class Records implements Imported {
  readonly entities: ImportedEntity[] = [];
  readonly anchors: ImportedAnchor[] = [];
  readonly relations: ImportedRelation[] = [];
  #observations = 0;

  #count(observations: number): void {
    this.#observations += observations;
    const records = this.entities.length + this.anchors.length + this.relations.length;
    if (records > maxImportRecords || this.#observations > maxImportObservations)
      throw new KeyholdError(
        'payload_too_large',
        `An import can have at most ${maxImportRecords} entities and relations with ${maxImportObservations} observations. Divide it into several files.`,
      );
  }

  addEntity(entity: ImportedEntity): void {
    this.entities.push(entity);
    this.#count(entity.observations.length);
  }

  addAnchor(anchor: ImportedAnchor): void {
    this.anchors.push(anchor);
    this.#count(anchor.observations.length);
  }

  addRelation(relation: ImportedRelation): void {
    this.relations.push(relation);
    this.#count(0);
  }
}
