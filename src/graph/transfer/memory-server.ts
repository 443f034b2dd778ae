import type { BadLines } from './bad-lines.ts';
import { Fields } from './fields.ts';
import type { ImportedObservation, ImportedRelation } from './records.ts';

/*
 * The lines of the official MCP memory server (npm @modelcontextprotocol/server-memory).
 */

interface Sink {
  addEntity(entity: ReturnType<typeof entityOf>): void;
  addRelation(relation: ImportedRelation): void;
}

const plainFact = {
  source: null,
  confidence: null,
  valid_at: null,
  invalid_at: null,
  created_at: null,
} as const;

const observationOf = (content: string): ImportedObservation => ({ content, ...plainFact });

const entityOf = (fields: Fields, place: string) => ({
  place,
  name: fields.name('name'),
  type: fields.type('entityType'),
  observations: fields.contents('observations').map(observationOf),
  aliases: [],
  attributes: {},
  tags: [],
  isActivity: false,
  uses: [],
  created_at: null,
  updated_at: null,
});

const relationOf = (fields: Fields, place: string): ImportedRelation => ({
  place,
  from: { name: fields.name('from') },
  to: { name: fields.name('to') },
  type: fields.word('relationType'),
  attributes: {},
  ...plainFact,
});

/** Reads one record into `sink`, or notes what is wrong with it. */
export const readRecord = (value: unknown, place: string, sink: Sink, bad: BadLines): void => {
  const before = bad.count;
  const fields = new Fields(value, place, bad);
  const type = fields.peek('type');
  if (bad.count > before) return;
  if (type === 'entity') sink.addEntity(entityOf(fields, place));
  else if (type === 'relation') sink.addRelation(relationOf(fields, place));
  else {
    const isDocument = type === undefined && fields.has('entities');
    const advice = isDocument ? ' A JSON document is imported with format=json.' : '';
    bad.add(place, `type must be "entity" or "relation".${advice}`);
    return;
  }
  fields.refuseOthers();
};
