import type { World } from './forge.ts';
import type { Shape } from './shapes.ts';
import { notEnum, notId, notInstant, notMetadata, notSession, notText } from './wrong-values.ts';

/* Requests about the memory graph that are wrong. */

const notWord = [...notText, '', ' ', 'a\nb', 'a\0', '\u0085', 'x'.repeat(129), '😀'.repeat(129)];
const notEntityName = [...notText, '', 'a\0', 'x'.repeat(401), '😀'.repeat(401)];
const notContent = [...notText, '', 'a\0', 'x'.repeat(65_537), 'ü'.repeat(32_769)];
const notTags = [null, 'x', {}, 1, [1], [null], [''], [' '], ['x'.repeat(129)], Array(65).fill('x'), ['a\0']];
const notPlace = notSession.filter((value) => value !== null);
const notReference = [
  null,
  'x',
  1,
  [],
  {},
  { type: 'TASK' },
  ...notId.map((id) => ({ id })),
  ...notEntityName.map((name) => ({ name })),
  { name: 'x', more: 1 },
  { name: 'x', type: '' },
  { name: 'x', session_id: '..' },
  { id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e11', name: 'x' },
];
const notReading = { source: [...notText.filter((value) => value !== null), '', 'x'.repeat(1025), 'a\0'] };
const notSupport = {
  ...notReading,
  confidence: ['x', true, [], {}, -0.1, 1.1],
  valid_at: notInstant,
  invalid_at: notInstant,
  session_id: notPlace,
};

const entity = { type: 'TASK', name: 'x' };
const observation = { entity: { name: 'x' }, contents: ['y'] };
const relation = { from: { name: 'x' }, to: { name: 'y' }, type: 'blocks' };

/** Lists whose one item has a wrong field. */
const inItems = (item: object, wrong: Readonly<Record<string, readonly unknown[]>>): unknown[] =>
  Object.entries(wrong).flatMap(([field, values]) => values.map((value) => [{ ...item, [field]: value }]));

const notLists = [null, 'x', 1, {}, [], [1], [null], [{}]];

const entityLists = [
  ...notLists,
  ...inItems(entity, {
    type: [...notWord, 'USER', 'SESSION', 'SECRET', 'SECRET_USAGE'],
    name: notEntityName,
    observations: [null, 'x', {}, [1], ...notContent.map((content) => [content])],
    attributes: notMetadata,
    tags: notTags,
    session_id: notPlace,
    owner_id: ['x'],
    author: ['x'],
    id: ['x'],
    derived: [true, false],
  }),
  Array.from({ length: 1001 }, (_, at) => ({ ...entity, name: `x ${at}` })),
  [{ ...entity, observations: Array(1000).fill('x') }],
];

const contents = [null, 'x', {}, [], [1], ...notContent.map((content) => [content])];

export const graphShapes = (world: World): readonly Shape[] => [
  {
    method: 'POST',
    path: '/graph/users',
    body: { username: 'nobody of this name' },
    needs: ['username'],
    wrong: { username: [...notText, '', 'x'.repeat(129), 'a\0'], user_id: notId, metadata: notMetadata },
  },
  {
    method: 'POST',
    path: '/graph/sessions',
    body: { session_id: world.ownId },
    needs: ['session_id'],
    wrong: { session_id: notId, metadata: notMetadata },
  },
  {
    method: 'POST',
    path: '/graph/secrets',
    body: { secret_id: world.ownId },
    needs: ['secret_id'],
    wrong: { secret_id: notId, metadata: notMetadata },
  },
  {
    method: 'POST',
    path: '/graph/entities',
    body: { entities: [entity] },
    needs: ['entities'],
    wrong: { entities: entityLists },
  },
  {
    method: 'PATCH',
    path: `/graph/entities/${world.ownId}`,
    body: { tags: ['x'] },
    needs: ['tags'],
    wrong: { name: notEntityName, attributes: notMetadata, tags: notTags, type: ['TASK'], session_id: [null] },
  },
  {
    method: 'POST',
    path: `/graph/entities/${world.ownId}/merge`,
    body: { into: world.secretId },
    needs: ['into'],
    wrong: { into: notId },
  },
  {
    method: 'POST',
    path: '/graph/observations',
    body: { observations: [observation] },
    needs: ['observations'],
    wrong: {
      observations: [
        ...notLists,
        ...inItems(observation, { ...notSupport, entity: notReference, contents }),
        [{ ...observation, contents: Array.from({ length: 1001 }, (_, at) => `y ${at}`) }],
      ],
    },
  },
  {
    method: 'PATCH',
    path: `/graph/observations/${world.ownId}`,
    body: { invalid_at: null },
    needs: ['invalid_at'],
    wrong: { invalid_at: notInstant },
  },
  {
    method: 'POST',
    path: '/graph/relations',
    body: { relations: [relation] },
    needs: ['relations'],
    wrong: {
      relations: [
        ...notLists,
        ...inItems(relation, {
          ...notSupport,
          from: notReference,
          to: notReference,
          type: notWord,
          attributes: notMetadata,
        }),
      ],
    },
  },
  {
    method: 'PATCH',
    path: `/graph/relations/${world.ownId}`,
    body: { invalid_at: null },
    needs: ['invalid_at'],
    wrong: { invalid_at: notInstant },
  },
  {
    method: 'POST',
    path: '/graph/activities',
    body: { type: 'FILE_ACTIVITY', content: 'x', secrets_used: [world.ownId] },
    needs: ['type', 'content'],
    wrong: {
      type: [...notWord, 'USER'],
      content: notContent,
      secrets_used: [null, 'x', {}, [1], ...notId.map((id) => [id])],
      session_id: notPlace,
    },
  },
  {
    method: 'POST',
    path: '/graph/import',
    body: { type: 'relation', from: 'x', to: 'y', relationType: 'blocks' },
    needs: ['type', 'from', 'to', 'relationType'],
    wrong: { type: notEnum, from: notEntityName, to: notEntityName, relationType: notWord },
  },
];
