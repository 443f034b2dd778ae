import type { CallerState, Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { Seals } from '../keys/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import { createCursors } from './cursor.ts';
import { createDerivedNames } from './derived/names.ts';
import { createVisible } from './derived/visible.ts';
import { createEdges } from './edges.ts';
import { createForgetting } from './erase/index.ts';
import { createNodes } from './nodes.ts';
import type { Graph, SearchInput } from './operations.ts';
import { createRead } from './read.ts';
import { createReads } from './reads/index.ts';
import { createSearch } from './search/index.ts';
import { createSights } from './sight.ts';
import { createTransfer } from './transfer/index.ts';
import { createWrites } from './write/index.ts';

export { memoryErasing } from './erase/index.ts';
export type * from './operations.ts';
export { modes } from './operations.ts';
export * from './vocabulary.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly callerState: CallerState;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly secrets: Pick<Secrets, 'seen'>;
  readonly digestKey: Buffer;
}

/** The memory graph: what is remembered, and what derives from users, sessions and secrets, seen only by those who may. */
export const createGraph = (deps: Deps): Graph => {
  const { db, clock, seals, audit, secrets, sessions, digestKey } = deps;
  const sights = createSights({ clock, seals });
  const read = createRead({ db, audit, sights });
  const nodes = createNodes({ visible: createVisible({ seals, secrets }) });
  const edges = createEdges({ nodes });
  const search = createSearch({ derivedNames: createDerivedNames({ nodes }) });
  return {
    ...createReads({ read, nodes, edges, cursors: createCursors(digestKey), seals, sessions }),
    search: (caller: Caller, input: SearchInput) =>
      read(caller, input, { operation: 'search', facts: 'now', count: ({ results }) => results.length }, (view) =>
        search(view, input),
      ),
    ...createWrites({ ...deps, nodes }),
    ...createTransfer({ ...deps, nodes, read }),
    ...createForgetting(deps),
  };
};
