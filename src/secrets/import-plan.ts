import type { SecretId, VerifiedSessionId } from '../core/ids.ts';
import type { OnConflict } from '../core/secret-types.ts';
import type { CreateSecret } from './input.ts';

export interface ImportedItem {
  readonly index: number;
  readonly name: string;
  /** Null where nothing was or would be written. */
  readonly id: SecretId | null;
  readonly outcome: 'created' | 'updated' | 'skipped' | 'renamed' | 'conflict';
}

export interface ImportResult {
  readonly dry_run: boolean;
  readonly created: number;
  readonly updated: number;
  readonly skipped: number;
  readonly renamed: number;
  readonly items: readonly ImportedItem[];
}

/** What becomes of one item. */
export interface PlannedItem {
  readonly index: number;
  readonly input: CreateSecret;
  readonly session: VerifiedSessionId | null;
  readonly name: string;
  readonly outcome: ImportedItem['outcome'];
  /** The live secret that has the name already. */
  readonly existing: SecretId | null;
}

/** The names in use in each place: a session, or outside of sessions. A name that an item takes has no id yet. */
export type NamesInUse = ReadonlyMap<string, Map<string, SecretId | null>>;

export const placeKey = (session: string | null): string => session ?? '';

interface PlanInput {
  readonly items: readonly CreateSecret[];
  /** The session of each item, verified; null outside of sessions. */
  readonly sessions: readonly (VerifiedSessionId | null)[];
  readonly inUse: NamesInUse;
  readonly onConflict: OnConflict;
}

/** Decides what becomes of each item, in the order of the file. A name may occur twice in one file. Takes names in `inUse`. */
export const planItems = ({ items, sessions, inUse, onConflict }: PlanInput): PlannedItem[] => {
  const nextName = createFreeNames();
  return items.map((input, index) => {
    const session = sessions[index] ?? null;
    const names = inUse.get(placeKey(session)) ?? new Map<string, SecretId | null>();
    const isTaken = names.has(input.name);
    const outcome = isTaken ? outcomes[onConflict] : 'created';
    const name = outcome === 'renamed' ? nextName(placeKey(session), input.name, names) : input.name;
    const existing = names.get(name) ?? null;
    if (!names.has(name)) names.set(name, null);
    // Only a secret that existed before can be updated, not one of the same file.
    const isTwiceInFile = isTaken && onConflict === 'update' && existing === null;
    return { index, input, session, name, outcome: isTwiceInFile ? 'conflict' : outcome, existing };
  });
};

/** What an import answers, with the ids of the secrets that it wrote. */
export const resultOf = (
  dryRun: boolean,
  plan: readonly PlannedItem[],
  ids: ReadonlyMap<number, SecretId>,
): ImportResult => {
  const count = (outcome: ImportedItem['outcome']): number => plan.filter((item) => item.outcome === outcome).length;
  return {
    dry_run: dryRun,
    created: count('created'),
    updated: count('updated'),
    skipped: count('skipped'),
    renamed: count('renamed'),
    items: plan.map(({ index, name, outcome, existing }) => ({ index, name, id: ids.get(index) ?? existing, outcome })),
  };
};

const outcomes = { fail: 'conflict', skip: 'skipped', update: 'updated', rename: 'renamed' } as const;

const maxNameLength = 256;

/** The first free name of `NAME-2`, `NAME-3`, …, shortened to fit, from the number `first` on. */
const numbered = (name: string, taken: ReadonlyMap<string, unknown>, first: number) => {
  for (let count = first; ; count += 1) {
    const suffix = `-${count}`;
    const candidate = `${name.slice(0, maxNameLength - suffix.length)}${suffix}`;
    if (!taken.has(candidate)) return { candidate, count };
  }
};

/** Another name that is free. */
export const freeName = (name: string, taken: ReadonlyMap<string, unknown>): string =>
  numbered(name, taken, 2).candidate;

/** As `freeName`, for many names: it continues where it stopped for that name. */
const createFreeNames = () => {
  const counts = new Map<string, number>();
  return (place: string, name: string, taken: ReadonlyMap<string, SecretId | null>): string => {
    const key = `${place} ${name}`;
    const { candidate, count } = numbered(name, taken, counts.get(key) ?? 2);
    counts.set(key, count + 1);
    return candidate;
  };
};
