// Remembers something and finds it again, with a Keyhold service inside this process.
// KEYHOLD_DATA_DIR (or KEYHOLD_DATABASE_URL), KEYHOLD_ROOT_KEYS and KEYHOLD_TOKEN say on what, and for whom.
import { ENTITY_TYPES, MemoryGraph, openService } from 'keyhold/graph';

const { KEYHOLD_TOKEN: token = '', ...settings } = process.env;
await using service = await openService(settings);

// A caller is made for each request, by the gate that HTTP requests come through.
const as = async (permission: 'graph:read' | 'graph:write') =>
  new MemoryGraph(service.graph, await service.caller({ token }, permission));

const writing = await as('graph:write');
await writing.entities.createEntities(
  [
    { type: 'PERSON', name: 'Grace Hopper', observations: ['found a moth in relay 70'] },
    { type: 'TECHNOLOGY', name: 'Mark II' },
  ],
  null,
);
await writing.relations.createRelations(
  [{ from: { name: 'Grace Hopper' }, to: { name: 'Mark II' }, type: 'works on' }],
  null,
);

const reading = await as('graph:read');
const { results } = await reading.queries.search({ q: 'moth', limit: 5 });
for (const { entity, matches } of results) {
  const { relations = [] } = await reading.queries.get(entity.id, { relations: true });
  console.log(`${entity.name}: ${matches[0]?.text}; ${relations.map((one) => `${one.type} ${one.to.name}`)}`);
}
console.log(`${ENTITY_TYPES.length} types of entities`);
