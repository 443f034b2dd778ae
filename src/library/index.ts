/** The memory graph as a library, `keyhold/graph`, for platforms that have a Keyhold service within their own process. */
export { KeyholdError } from '../core/errors.ts';
export type * from '../graph/index.ts';
export { ENTITY_TYPES, KNOWLEDGE_ENTITY_TYPES, RELATION_TYPES } from '../graph/index.ts';
export { MemoryGraph } from './memory-graph.ts';
export { type Credentials, openService, type Service } from './service.ts';
