import type { BadLines } from './bad-lines.ts';
import { Fields } from './fields.ts';
import type {
  ImportedAnchor,
  ImportedEnd,
  ImportedEntity,
  ImportedObservation,
  ImportedRelation,
  Records,
} from './records.ts';

/*
 * The JSON document, which keeps everything but ids. Who recorded a fact and where is in it for people to read; an import
 * does not believe it.
 */

export const documentFormat = 'keyhold-memory';
export const documentVersion = 1;

const origin = ['author_id', 'agent', 'session_id'] as const;

const validityOf = (fields: Fields) => {
  const times = { valid_at: fields.time('valid_at'), invalid_at: fields.time('invalid_at') };
  const { valid_at, invalid_at } = times;
  if (valid_at !== null && invalid_at !== null && invalid_at.getTime() <= valid_at.getTime())
    fields.wrong('invalid_at', 'must be later than valid_at.');
  return { ...times, created_at: fields.time('created_at') };
};

const observationOf = (fields: Fields): ImportedObservation => {
  fields.ignore(...origin);
  return {
    content: fields.content('content'),
    source: fields.source('source'),
    confidence: fields.confidence('confidence'),
    ...validityOf(fields),
  };
};

const entityOf = (fields: Fields, place: string): ImportedEntity => {
  fields.ignore(...origin);
  const name = fields.name('name');
  return {
    place,
    name,
    type: fields.type('type'),
    aliases: [...new Set(fields.names('aliases'))].filter((alias) => alias !== name),
    attributes: fields.attributes('attributes') ?? {},
    tags: fields.tags('tags'),
    isActivity: fields.flag('activity'),
    uses: fields.ids('uses'),
    created_at: fields.time('created_at'),
    updated_at: fields.time('updated_at'),
    observations: fields.objects('observations', observationOf),
  };
};

const anchorOf = (fields: Fields, place: string): ImportedAnchor => {
  fields.ignore('name', 'type');
  return {
    place,
    id: fields.id('id'),
    metadata: fields.attributes('metadata'),
    observations: fields.objects('observations', observationOf),
  };
};

const endOf = (fields: Fields): ImportedEnd => {
  if (!fields.flag('derived')) {
    fields.ignore('type');
    return { name: fields.name('name') };
  }
  fields.ignore('type', 'name');
  return { id: fields.id('id') };
};

const relationOf = (fields: Fields, place: string): ImportedRelation => {
  fields.ignore(...origin);
  return {
    place,
    from: fields.object('from', endOf),
    to: fields.object('to', endOf),
    type: fields.word('type'),
    attributes: fields.attributes('attributes') ?? {},
    source: fields.source('source'),
    confidence: fields.confidence('confidence'),
    ...validityOf(fields),
  };
};

const readItem = (value: unknown, place: string, bad: BadLines, read: (fields: Fields) => void): void => {
  const fields = new Fields(value, place, bad);
  read(fields);
  fields.refuseOthers();
};

/** Reads a document into `records`, or notes what is wrong with it. */
export const readDocument = (value: unknown, records: Records, bad: BadLines): void => {
  const whole = new Fields(value, 'document', bad);
  const [format, version] = [whole.peek('format'), whole.peek('version')];
  if (format !== undefined && format !== documentFormat) whole.wrong('format', `must be "${documentFormat}".`);
  if (version !== undefined && version !== documentVersion)
    whole.wrong('version', `must be ${documentVersion}, the one that this service knows.`);
  whole.list('entities', (item, path) =>
    readItem(item, path, bad, (fields) => {
      if (fields.flag('derived')) records.addAnchor(anchorOf(fields, path));
      else records.addEntity(entityOf(fields, path));
    }),
  );
  whole.list('relations', (item, path) =>
    readItem(item, path, bad, (fields) => records.addRelation(relationOf(fields, path))),
  );
  whole.refuseOthers();
};
