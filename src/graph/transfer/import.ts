import { sql } from 'kysely';
import type { Audit } from '../../audit/index.ts';
import type { Caller } from '../../core/caller.ts';
import type { Clock } from '../../core/clock.ts';
import type { Tx } from '../../db/database.ts';
import type { Now } from '../../db/time.ts';
import type { Seals } from '../../keys/index.ts';
import type { DerivedNode } from '../model.ts';
import type { ImportAnswer, ImportInput } from '../operations.ts';
import { theGraph } from '../read.ts';
import { putAnchors } from '../write/anchors.ts';
import { type PlacesOf, placeIn, type ScopeOwner, turnsOf } from '../write/places.ts';
import type { Reach } from '../write/reach.ts';
import type { Settle } from '../write/settle.ts';
import type { FindDerived } from '../write/targets.ts';
import type { Writing } from '../write/writing.ts';
import { BadLines } from './bad-lines.ts';
import { parseImport } from './parse.ts';
import { type Plan, planImport } from './plan.ts';
import type { Imported } from './records.ts';
import { type Destination, holdersIn, storeMetadata, storePlan } from './store.ts';

interface Deps {
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly writing: Writing;
  readonly places: PlacesOf;
  readonly settle: Settle;
  readonly reach: Reach;
  readonly findDerived: FindDerived;
}

/** Every name and alias of an import, those that relations lead to included. */
const namesIn = ({ entities, relations }: Imported): string[] => [
  ...new Set([
    ...entities.flatMap(({ name, aliases }) => [name, ...aliases]),
    ...relations.flatMap(({ from, to }) => [from, to].flatMap((end) => ('name' in end ? end.name : []))),
  ]),
];

/** The ids of the derived nodes that an import is about. */
const idsIn = ({ anchors, relations }: Imported): string[] => [
  ...new Set([
    ...anchors.map((anchor) => anchor.id),
    ...relations.flatMap(({ from, to }) => [from, to].flatMap((end) => ('id' in end ? end.id : []))),
  ]),
];

const counts = (plan: Plan, stored: Awaited<ReturnType<typeof storePlan>>): Omit<ImportAnswer, 'session_id'> => ({
  entities: { created: plan.created.length, existing: plan.existing },
  observations: stored.observations,
  relations: { ...stored.relations, dropped: plan.dropped },
});

export const createImport = (deps: Deps) => {
  const { clock, now, seals, audit, writing, places, settle, reach, findDerived } = deps;

  /** Notes the uses that are not recorded uses by this caller in this session, and those that another activity has. */
  const checkUses = async (
    tx: Tx,
    caller: Caller,
    { session_id }: ScopeOwner,
    plan: Plan,
    bad: BadLines,
  ): Promise<void> => {
    const used = plan.created.flatMap(({ uses, place, isActivity }) =>
      isActivity && session_id !== null ? uses.map((id) => ({ id, place })) : [],
    );
    if (used.length === 0) return;
    const ids = [...new Set(used.map((use) => use.id))];
    const asked = { id: ids, action: 'secret.reveal', outcome: 'allowed', actor_id: caller.userId } as const;
    const records = await seals.load(tx, 'audit_log', { ...asked, session_id });
    const { rows } = await sql<{ use_id: string }>`select use_id from public.memory_uses
      where use_id = any(${ids}::uuid[])`.execute(tx);
    const free = new Set<string>(records.map((row) => row.id));
    for (const { use_id } of rows) free.delete(use_id);
    // Each use is named once, in the file too.
    for (const { id, place } of used)
      if (!free.delete(id))
        bad.add(place, `${id} is no recorded use of yours in this session, or in another activity.`);
  };

  const write = async (tx: Tx, caller: Caller, input: ImportInput, imported: Imported): Promise<ImportAnswer> => {
    const wanted = await places(tx, caller, [input]);
    const place = placeIn(wanted, input.session_id);
    const ids = idsIn(imported);
    const { value, scopeOf } = await settle(tx, caller, [place], async (tx) => {
      const found =
        ids.length === 0 ? new Map<string, DerivedNode>() : await findDerived(tx, await reach.sight(tx, caller), ids);
      return { value: found, scopes: [], sessions: [], derived: [...found.values()] };
    });
    const scope_id = scopeOf(place).id;
    const at = clock.now();
    const bad = new BadLines();
    const holders = await holdersIn(tx, scope_id, namesIn(imported));
    const plan = planImport(imported, { holders, derived: new Set(value.keys()), now: at }, input.dangling, bad);
    await checkUses(tx, caller, place, plan, bad);
    bad.refuse();
    await putAnchors(
      tx,
      [...value.values()].map((node) => ({ id: node.id, type: node.type, name: node.name, derived: node })),
      at,
    );
    const to: Destination = { caller, scope_id, isSession: place.session_id !== null, at, now: await now(tx) };
    const answer = counts(plan, await storePlan(tx, plan, to));
    if (place.user_id !== null) await storeMetadata(tx, imported.anchors, to);
    const details = {
      entities: answer.entities.created,
      observations: answer.observations.created,
      relations: answer.relations.created,
      ...(place.session_id === null ? {} : { session_id: place.session_id }),
    };
    await audit.allow(tx, caller, 'graph.import', { target: theGraph, details });
    return { ...answer, session_id: place.session_id };
  };

  /**
   * Adds what a file holds to one memory, in one transaction: all of it or nothing, and nothing twice. Throws
   * `invalid_request` with what is wrong, and `payload_too_large`.
   */
  return async (caller: Caller, input: ImportInput): Promise<ImportAnswer> => {
    const imported = await parseImport(input.body, input.format);
    return await writing.change(caller, { action: 'graph.import', turns: turnsOf(caller, [input]) }, (tx) =>
      write(tx, caller, input, imported),
    );
  };
};
