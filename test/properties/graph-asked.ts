import type { Caller } from '../../src/core/caller.ts';
import { KeyholdError } from '../../src/core/errors.ts';
import { newId } from '../../src/core/ids.ts';
import type { EntityView, Graph, Mode, NodeView } from '../../src/graph/operations.ts';
import { type Eye, isFoundFrom, nodesOf, type RuleEdge, survivor } from './graph-rule.ts';
import { edgeView, metadataOf, observationsOf, sortedEdges, viewOf } from './graph-views.ts';
import type { GraphWorld, Ref } from './graph-worlds.ts';

/* What questions about a world have in common. */

export type Refused = {
  readonly refused: { readonly code: string; readonly message: string; readonly errors: unknown };
};

/** One question of a caller, and whether the answer is what the rule says. */
export interface Question {
  readonly operation: string;
  /** What the operation is asked, for a failure's message. */
  readonly about: string;
  ask(graph: Graph): Promise<unknown>;
  /** Throws unless the answer, or the refusal, is the right one. */
  check(outcome: unknown): void;
}

/** The answer to a question, or what was refused. */
export const outcomeOf = async (graph: Graph, question: Question): Promise<unknown> => {
  try {
    return await question.ask(graph);
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error;
    return { refused: { code: error.code, message: error.message, errors: error.errors } };
  }
};

export const codeOf = (outcome: unknown): string | undefined => (outcome as Partial<Refused>).refused?.code;

/** Chooses numbers below others, the same ones for the same start. */
export const chooser = (start: number) => {
  let state = start >>> 0;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

/** What a read of a world is asked and answered with. */
export interface Asked {
  readonly world: GraphWorld;
  readonly caller: Caller;
  readonly eye: Eye;
  readonly reading: { readonly mode?: Mode; readonly asOf?: Date };
  readonly choose: (below: number) => number;
}

export const idsOf = (nodes: readonly { readonly id: string }[]): string[] => nodes.map((node) => node.id).sort();

const kindsOfTypes: Readonly<Record<string, string>> = {
  USER: 'user',
  SESSION: 'session',
  SECRET: 'secret',
  SECRET_USAGE: 'use',
};

/** Nodes with what they are, so that a failure says what is missing. */
export const named = (nodes: readonly (Ref | NodeView)[]): string[] =>
  nodes.map((one) => `${'kind' in one ? one.kind : (kindsOfTypes[one.type] ?? 'entity')} ${one.id}`).sort();

const hour = 3_600_000;

/** A moment to ask about: mostly none. */
export const asOfOf = ({ base }: GraphWorld, choose: Asked['choose']) => {
  const offset = [undefined, undefined, undefined, -90 * 60_000, -3 * hour, 150 * 60_000][choose(6)];
  return offset === undefined ? {} : { asOf: new Date(base.moment.getTime() + offset) };
};

export const nowOf = ({ world, reading }: Asked): Date => reading.asOf ?? world.base.moment;
export const everOf = ({ reading }: Asked): Date | null => reading.asOf ?? null;

/** Any node, an absent one now and then. */
const someRef = ({ world, choose }: Asked): Ref => {
  const all = nodesOf(world);
  const absent: Ref = { kind: 'entity', id: newId<string>() };
  return all[choose(all.length + 1)] ?? absent;
};

/** Any id of a node: that of a merged entity sometimes finds the other. */
export const someId = (asked: Asked): { readonly id: string; readonly ref: Ref } => {
  const ref = someRef(asked);
  const merged = survivor(asked.world, ref.id)?.mergedId ?? null;
  return { ref, id: merged !== null && asked.choose(3) === 0 ? merged : ref.id };
};

export const nearEdges = (eye: Eye, edges: readonly RuleEdge[], id: string): RuleEdge[] =>
  edges.filter((edge) => isFoundFrom(eye, edge, id));

export const shownEdges = (world: GraphWorld, edges: readonly RuleEdge[]) =>
  sortedEdges(edges.map((edge) => edgeView(world, edge)));

export const entityView = ({ world, eye }: Asked, ref: Ref, moment: Date | null): EntityView => {
  const view = { ...viewOf(world, ref), observations: observationsOf(eye, ref, moment) };
  return ref.kind === 'entity' ? view : { ...view, metadata: metadataOf(eye, ref) };
};
