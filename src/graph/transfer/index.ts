import type { Mutate } from '../../access/index.ts';
import type { Audit } from '../../audit/index.ts';
import type { Clock } from '../../core/clock.ts';
import { createNow } from '../../db/time.ts';
import type { Idempotency } from '../../idempotency/index.ts';
import type { Seals } from '../../keys/index.ts';
import type { Sessions } from '../../sessions/index.ts';
import type { Graph } from '../operations.ts';
import type { Read } from '../read.ts';
import { createPlaces } from '../write/places.ts';
import { createReach } from '../write/reach.ts';
import { createSettle } from '../write/settle.ts';
import type { FindDerived } from '../write/targets.ts';
import { createTurns } from '../write/turns.ts';
import { createWriting } from '../write/writing.ts';
import { createExport } from './export.ts';
import { createImport } from './import.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly sessions: Sessions;
  readonly nodes: { readonly findDerived: FindDerived };
  readonly read: Read;
}

/** Whole memories as text: the lines of the MCP memory server, and a JSON document that keeps everything but ids. */
export const createTransfer = (deps: Deps): Pick<Graph, 'export' | 'import'> => {
  const { clock, seals, audit, mutate, idempotency, sessions, nodes, read } = deps;
  const { findDerived } = nodes;
  const now = createNow(clock);
  return {
    export: createExport({ read, seals, sessions, findDerived }),
    import: createImport({
      ...{ clock, now, seals, audit, findDerived },
      writing: createWriting({ audit, mutate, idempotency, turns: createTurns() }),
      places: createPlaces({ sessions }),
      settle: createSettle({ sessions }),
      reach: createReach({ now, seals }),
    }),
  };
};
