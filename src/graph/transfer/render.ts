import type { ExportAnswer } from '../operations.ts';
import type { ScopesById } from '../show.ts';
import type { Collected, CollectedAnchor, CollectedEntity } from './collect.ts';
import { documentFormat, documentVersion } from './document.ts';

type Rendered = Pick<ExportAnswer, 'omitted' | 'text'> & { readonly count: number };

const instant = (date: Date | null): string | null => date?.toISOString() ?? null;

/** The lines, each with its end. */
const linesOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

const factsOf = ({ entities, anchors }: Collected) => ({
  ofEntities: [...entities.values()].flatMap((one) => one.observations),
  ofAnchors: [...anchors.values()].flatMap((one) => one.observations),
});

const entityLine = ({ row, observations }: CollectedEntity): string =>
  JSON.stringify({
    type: 'entity',
    name: row.name,
    entityType: row.type,
    observations: [...new Set(observations.filter((one) => one.holds).map((one) => one.content))],
  });

/** As the MCP memory server writes it: what holds, without derived nodes. */
export const renderLines = (collected: Collected): Rendered => {
  const { entities, anchors, relations } = collected;
  const remembered = relations.filter((row) => !anchors.has(row.from_id) && !anchors.has(row.to_id));
  const kept = remembered.filter((row) => row.holds);
  const nameOf = (id: string): string => entities.get(id)?.row.name ?? '';
  const relationLines = kept.map((row) =>
    JSON.stringify({ type: 'relation', from: nameOf(row.from_id), to: nameOf(row.to_id), relationType: row.type }),
  );
  const lines = [...[...entities.values()].map(entityLine), ...new Set(relationLines)];
  const { ofEntities } = factsOf(collected);
  const ended = [...ofEntities, ...remembered].filter((row) => !row.holds).length;
  return {
    text: linesOf(lines),
    count: lines.length,
    omitted: { ended, derived: anchors.size, derived_relations: relations.length - remembered.length },
  };
};

interface OriginRow {
  readonly scope_id: string | null;
  readonly author_id: string | null;
  readonly agent: string | null;
}

const originOf = ({ scope_id, author_id, agent }: OriginRow, scopes: ScopesById) => ({
  session_id: (scope_id === null ? null : scopes.get(scope_id)?.session_id) ?? null,
  author_id,
  agent,
});

interface FactRow extends OriginRow {
  readonly source: string | null;
  readonly confidence: number | null;
  readonly valid_at: Date | null;
  readonly invalid_at: Date | null;
  readonly created_at: Date;
}

const factOf = (row: FactRow, scopes: ScopesById) => ({
  source: row.source,
  confidence: row.confidence,
  valid_at: instant(row.valid_at),
  invalid_at: instant(row.invalid_at),
  created_at: row.created_at.toISOString(),
  ...originOf(row, scopes),
});

const observationsOf = ({ observations }: CollectedEntity | CollectedAnchor, scopes: ScopesById) =>
  observations.filter((row) => row.holds).map((row) => ({ content: row.content, ...factOf(row, scopes) }));

const entityOf = (entity: CollectedEntity, scopes: ScopesById) => {
  const { row, aliases, uses } = entity;
  return {
    name: row.name,
    type: row.type,
    aliases,
    tags: row.tags,
    attributes: row.attributes,
    ...(row.is_activity ? { activity: true, uses } : {}),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    ...originOf(row, scopes),
    observations: observationsOf(entity, scopes),
  };
};

const anchorOf = (anchor: CollectedAnchor, scopes: ScopesById) => {
  const { id, type, name } = anchor.node;
  const { metadata } = anchor;
  return { derived: true, id, type, name, metadata, observations: observationsOf(anchor, scopes) };
};

/** One JSON document with everything but ids, an item a line. Where the view has no moment, ended facts are in it. */
export const renderDocument = (collected: Collected, scopes: ScopesById): Rendered => {
  const { entities, anchors, relations } = collected;
  const endOf = (id: string) => {
    const row = entities.get(id)?.row;
    if (row) return { name: row.name, type: row.type };
    const node = anchors.get(id)?.node;
    return { derived: true, id, type: node?.type, name: node?.name };
  };
  const kept = relations.filter((row) => row.holds);
  const relationOf = (row: (typeof kept)[number]) => ({
    from: endOf(row.from_id),
    to: endOf(row.to_id),
    type: row.type,
    attributes: row.attributes,
    ...factOf(row, scopes),
  });
  // A derived node that is merely the end of a relation is in the relation.
  const said = [...anchors.values()].filter(
    (one) => one.metadata !== null || one.observations.some((row) => row.holds),
  );
  const items = [
    ...[...entities.values()].map((one) => entityOf(one, scopes)),
    ...said.map((one) => anchorOf(one, scopes)),
  ];
  const list = (all: readonly object[]): string => all.map((one) => `\n    ${JSON.stringify(one)}`).join(',');
  const text = `{
  "format": "${documentFormat}",
  "version": ${documentVersion},
  "entities": [${list(items)}\n  ],
  "relations": [${list(kept.map(relationOf))}\n  ]
}\n`;
  const { ofEntities, ofAnchors } = factsOf(collected);
  const ended = [...ofEntities, ...ofAnchors, ...relations].filter((row) => !row.holds).length;
  return { text, count: items.length + kept.length, omitted: { ended, derived: 0, derived_relations: 0 } };
};
