import {
  derivedRelations,
  derivedTypes,
  ENTITY_TYPES,
  KNOWLEDGE_ENTITY_TYPES,
  RELATION_TYPES,
} from '../../../graph/index.ts';
import type { Routes } from '../../route.ts';
import { Vocabulary } from '../../schemas/graph-answers.ts';
import { may, tag } from './access.ts';

/** The words that the graph knows. */
export const typeRoutes = ({ gated }: Routes): void =>
  gated({
    method: 'GET',
    url: '/graph/types',
    operationId: 'listGraphTypes',
    tag,
    summary: 'The documented types of entities and relations',
    description:
      'What you remember may have any other type as well, but none of the derived ones: those belong to what Keyhold knows by itself.',
    requires: may.read,
    status: 200,
    answer: Vocabulary,
    handler: async () => ({
      entity_types: [...ENTITY_TYPES],
      knowledge_entity_types: [...KNOWLEDGE_ENTITY_TYPES],
      derived_entity_types: [...derivedTypes],
      relation_types: [...RELATION_TYPES],
      derived_relation_types: [...derivedRelations],
    }),
  });
