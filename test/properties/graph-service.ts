import { readConfig } from '../../src/config/config.ts';
import { rootKeySource } from '../../src/config/root-keys.ts';
import type { Db } from '../../src/db/database.ts';
import { createDomains, openKeys } from '../../src/domains.ts';
import type { Graph } from '../../src/graph/index.ts';
import { createSeals, type Seals } from '../../src/keys/index.ts';
import { newRootKey } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

/** The memory graph on a database of its own, whose rows a test writes itself. */
export interface GraphService {
  readonly database: TestDatabase;
  readonly db: Db;
  readonly clock: ReturnType<typeof settableClock>;
  readonly seals: Seals;
  readonly graph: Graph;
  /** Deletes the rows of a world. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

// The audit log refuses to be emptied.
const emptied = `alter table public.audit_log disable trigger user;
  truncate public.users, public.owner_keys, public.sessions, public.session_participants, public.secrets,
    public.audit_log, public.memory_scopes, public.memory_entities cascade;
  alter table public.audit_log enable trigger user`;

export const startGraph = async (): Promise<GraphService> => {
  const database = await freshDatabase();
  const service = database.open(4);
  const clock = settableClock();
  const env = { KEYHOLD_ROOT_KEYS: newRootKey() };
  const deps = {
    config: readConfig(env),
    rootKeys: rootKeySource(env, '/nonexistent'),
    clock,
    database: service,
  };
  const keys = await openKeys(deps, () => undefined);
  const { graph } = createDomains(deps, keys, () => undefined);
  return {
    database,
    db: service.db,
    clock,
    seals: createSeals(() => keys.held().sealKeys),
    graph,
    empty: async () => {
      await database.client.query(emptied);
    },
    close: async () => {
      await keys.close();
      await service.close();
      await database.drop();
    },
  };
};
