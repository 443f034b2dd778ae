import type { Migration } from 'kysely/migration';
import * as foundation from './0001-foundation.ts';
import * as closedIdentities from './0002-closed-identities.ts';
import * as jobs from './0003-jobs.ts';
import * as keyRotation from './0004-key-rotation.ts';
import * as restored from './0005-restored.ts';
import * as joining from './0006-joining.ts';
import * as events from './0007-events.ts';
import * as webhooks from './0008-webhooks.ts';
import * as sweeps from './0009-sweeps.ts';
import * as handovers from './0010-handovers.ts';
import * as sessionEnds from './0011-session-ends.ts';
import * as graph from './0012-graph.ts';
import * as cheaperWrites from './0013-cheaper-writes.ts';
import type { SealFormats } from './formats.ts';

export type { SealFormats } from './formats.ts';

export interface KeyholdMigration extends Migration {
  /** Taking the migration back first seals the rows of these tables in the format before. */
  readonly formats?: SealFormats;
}

/** Every migration in its order: numbered, listed, frozen once landed. */
export const migrations: Readonly<Record<string, KeyholdMigration>> = {
  '0001-foundation': foundation,
  '0002-closed-identities': closedIdentities,
  '0003-jobs': jobs,
  '0004-key-rotation': keyRotation,
  '0005-restored': restored,
  '0006-joining': joining,
  '0007-events': events,
  '0008-webhooks': webhooks,
  '0009-sweeps': sweeps,
  '0010-handovers': handovers,
  '0011-session-ends': sessionEnds,
  '0012-graph': graph,
  '0013-cheaper-writes': cheaperWrites,
};
