import type { Seals } from '../../keys/index.ts';
import type { Sessions } from '../../sessions/index.ts';
import type { Cursors } from '../cursor.ts';
import type { Edges } from '../edges.ts';
import type { Nodes } from '../nodes.ts';
import type { Read } from '../read.ts';
import { createGet } from './get.ts';
import { createLists } from './lists.ts';
import { createNeighbourhood } from './neighbourhood.ts';
import { createPath } from './path.ts';
import { createWhole } from './whole.ts';

interface Deps {
  readonly read: Read;
  readonly nodes: Nodes;
  readonly edges: Edges;
  readonly cursors: Cursors;
  readonly seals: Seals;
  readonly sessions: Pick<Sessions, 'idOf'>;
}

/** The reads of the graph, except search and export. */
export const createReads = (deps: Deps) => ({
  ...createGet(deps),
  ...createLists(deps),
  neighbourhood: createNeighbourhood(deps),
  path: createPath(deps),
  whole: createWhole(deps),
});
