import type { Caller } from '../core/caller.ts';
import type { JsonObject } from '../core/json.ts';
import type { Graph } from '../graph/index.ts';

type Without<F> = F extends (caller: Caller, ...rest: infer Rest) => infer Answer ? (...rest: Rest) => Answer : never;

/** The operations of a graph with the caller given. */
type Bound<Names extends keyof Graph> = { readonly [Name in Names]: Without<Graph[Name]> };

const bind = <Names extends keyof Graph>(graph: Graph, caller: Caller, names: readonly Names[]): Bound<Names> =>
  Object.fromEntries(
    names.map((name) => [name, (graph[name] as (...args: unknown[]) => unknown).bind(graph, caller)]),
  ) as unknown as Bound<Names>;

const ofEntities = [
  ...(['createEntities', 'updateEntity', 'mergeEntities', 'deleteEntities', 'addObservations'] as const),
  ...(['deleteObservations', 'endObservation', 'createUserEntity', 'createActivity'] as const),
] as const;
const ofRelations = ['createRelations', 'deleteRelations', 'endRelation'] as const;
const ofQueries = [
  ...(['get', 'resolve', 'search', 'neighbourhood', 'path', 'whole', 'activities', 'export'] as const),
] as const;

/**
 * The memory graph as one caller sees it, in parts. It is made for one request, like its caller: whatever takes access away
 * binds the next one.
 */
export class MemoryGraph {
  /** Entities, their observations, and activities. */
  readonly entities: Bound<(typeof ofEntities)[number]>;
  readonly relations: Bound<(typeof ofRelations)[number]>;
  /** Everything that reads. */
  readonly queries: Bound<(typeof ofQueries)[number]>;
  /** Secrets as nodes, never their values. */
  readonly secrets: {
    createSecretEntity(secretId: string, metadata?: JsonObject): ReturnType<Graph['createSecretEntity']>;
    ofUser: Without<Graph['secretsOfUser']>;
  };
  /** Sessions as nodes. */
  readonly userSessions: {
    createSessionEntity(sessionId: string, metadata?: JsonObject): ReturnType<Graph['createSessionEntity']>;
    ofUser: Without<Graph['sessionsOfUser']>;
  };
  readonly import: Without<Graph['import']>;
  /** Forgets what the caller remembered, for good. */
  readonly forgetMe: Without<Graph['forgetMe']>;

  constructor(graph: Graph, caller: Caller) {
    this.entities = bind(graph, caller, ofEntities);
    this.relations = bind(graph, caller, ofRelations);
    this.queries = bind(graph, caller, ofQueries);
    this.secrets = {
      createSecretEntity: (secretId, metadata) =>
        graph.createSecretEntity(caller, { secretId, ...(metadata === undefined ? {} : { metadata }) }),
      ofUser: (userId, input) => graph.secretsOfUser(caller, userId, input),
    };
    this.userSessions = {
      createSessionEntity: (sessionId, metadata) =>
        graph.createSessionEntity(caller, { sessionId, ...(metadata === undefined ? {} : { metadata }) }),
      ofUser: (userId, input) => graph.sessionsOfUser(caller, userId, input),
    };
    this.import = (input) => graph.import(caller, input);
    this.forgetMe = () => graph.forgetMe(caller);
  }
}
