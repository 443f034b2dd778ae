import { randomUUID } from 'node:crypto';
import { newId, type UserId } from '../../src/core/ids.ts';
import type { SearchAnswer, SearchInput } from '../../src/graph/operations.ts';
import { createRead } from '../../src/graph/read.ts';
import { createSearch, type DerivedNames } from '../../src/graph/search/index.ts';
import { createSights } from '../../src/graph/sight.ts';
import { putEntities, putNames, putObservations } from '../../src/graph/write/put.ts';
import { createSeals } from '../../src/keys/index.ts';
import { startApp, type TestApp } from './app.ts';
import { logInAdmin, type Person, people } from './people.ts';

/** What a test has somebody remember. */
export interface Memory {
  readonly name: string;
  readonly type?: string;
  readonly observations?: readonly string[];
  readonly tags?: readonly string[];
}

/** Somebody's memory, and searches in it. */
export interface SearchWorld {
  readonly app: TestApp;
  readonly ada: Person;
  remember(memories: readonly Memory[]): Promise<void>;
  search(input: Partial<SearchInput> & { readonly q: string }): Promise<SearchAnswer>;
  namesFound(q: string): Promise<(string | null)[]>;
  close(): Promise<void>;
}

const nobodyElse: DerivedNames = {
  named: async () => ({ nodes: [], truncated: false }),
  byId: async () => new Map(),
};

export const startSearchWorld = async (): Promise<SearchWorld> => {
  const app = await startApp();
  const { ada } = await people(app, await logInAdmin(app), 'ada');
  const { db } = app.db;
  const seals = createSeals(
    () => app.app.keys.held().sealKeys,
    () => undefined,
  );
  const sights = createSights({ clock: app.clock, seals });
  const read = createRead({ db, audit: app.app.domains.audit, sights });
  const searching = createSearch({ derivedNames: nobodyElse });
  const scopeId = randomUUID();
  await app.database.client.query('insert into memory_scopes (id, user_id) values ($1, $2)', [scopeId, ada.id]);

  const search: SearchWorld['search'] = async (input) => {
    const origin = { requestId: 'test', ip: null, userAgent: null };
    const presented = { token: ada.token, sessionName: null, origin };
    const caller = await app.app.domains.authenticate(presented as never, false);
    const whole = { limit: 100, ...input };
    return await read(caller, whole, { operation: 'search', facts: 'now', count: (a) => a.results.length }, (view) =>
      searching(view, whole),
    );
  };

  return {
    app,
    ada,
    search,
    remember: async (memories) => {
      const now = new Date();
      const origin = { scope_id: scopeId, author_id: ada.id as UserId, agent: null, created_at: now };
      const entities = memories.map(({ name, type = 'CONCEPT', tags = [], observations = [] }) => ({
        entity: {
          ...origin,
          ...{ id: newId<string>(), name, type, tags, attributes: {}, is_activity: false, version: 1, updated_at: now },
        },
        observations,
      }));
      await db.transaction().execute(async (tx) => {
        await putEntities(
          tx,
          entities.map(({ entity }) => entity),
        );
        const names = entities.map(({ entity: { id, name } }) => ({ scope_id: scopeId, name, entity_id: id }));
        await putNames(
          tx,
          names.map((one) => ({ ...one, is_alias: false })),
        );
        const facts = entities.flatMap(({ entity, observations }) =>
          observations.map((content) => ({ ...origin, id: newId<string>(), entity_id: entity.id, content })),
        );
        const rest = { source: null, confidence: null, valid_at: null, invalid_at: null };
        await putObservations(
          tx,
          facts.map((fact) => ({ ...fact, ...rest })),
        );
      });
    },
    namesFound: async (q) => (await search({ q })).results.map(({ entity }) => entity.name),
    close: () => app.close(),
  };
};
