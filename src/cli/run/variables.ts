import { usage } from '../failure.ts';
import { isUnsafeName } from './unsafe-names.ts';

/** A revealed secret that is to become a variable. */
export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

export interface Naming {
  readonly prefix: string;
  readonly allowUnsafeName: boolean;
  /** True where the secrets were asked for by their names. */
  readonly asked: boolean;
}

/** IEEE Std 1003.1, "Name", which the names of variables are for shells. */
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A secret's name as a variable's: dots and dashes become underscores. */
const variableOf = (name: string, prefix: string): string => `${prefix}${name.replaceAll(/[.-]/g, '_')}`;

const refuseName = (name: string, variable: string): void => {
  if (variableName.test(variable)) return;
  throw usage(
    `The secret ${name} would become the variable ${variable}, and no variable can bear that name. Put letters before it with --prefix, or leave it out with --only.`,
  );
};

const refuseUnsafe = (names: readonly string[]): void => {
  if (names.length === 0) return;
  throw usage(
    `Programs obey what these would set: ${names.join(', ')}. Their values could decide what the command does. Nothing was started. Rename them with --prefix, or say --allow-unsafe-name.`,
  );
};

const refuseShared = (one: string, other: string, variable: string): void => {
  throw usage(`The secrets ${one} and ${other} would both become the variable ${variable}. Choose one with --only.`);
};

const refuseNul = ({ name, value }: NamedValue): void => {
  if (!value.includes('\0')) return;
  throw usage(
    `The value of ${name} holds a NUL character, which no variable can hold. Read it with "keyhold get" into a file instead, and leave it out here with --only.`,
  );
};

/** What a command is given, and the names that it is not given since programs obey variables so called. */
export interface Variables {
  readonly variables: Readonly<Record<string, string>>;
  readonly leftOut: readonly string[];
}

/**
 * The variables that these secrets become. A name that programs obey is refused where it was asked for, and left out
 * where it only came along. Throws usage with one sentence for that, for a name that no variable can bear or that two
 * secrets would share, and for a value that no variable can hold.
 */
export const variablesOf = (secrets: readonly NamedValue[], naming: Naming): Variables => {
  const { prefix, allowUnsafeName, asked } = naming;
  const named = secrets.map((secret) => ({ secret, variable: variableOf(secret.name, prefix) }));
  for (const { secret, variable } of named) refuseName(secret.name, variable);
  const unsafe = allowUnsafeName ? [] : named.filter(({ variable }) => isUnsafeName(variable));
  const leftOut = unsafe.map(({ secret }) => secret.name);
  if (asked) refuseUnsafe(leftOut);
  const variables = new Map<string, NamedValue>();
  for (const one of named) {
    if (unsafe.includes(one)) continue;
    const other = variables.get(one.variable);
    if (other) refuseShared(other.name, one.secret.name, one.variable);
    refuseNul(one.secret);
    variables.set(one.variable, one.secret);
  }
  // Entries are own properties whatever they are called; an assignment to `__proto__` would make none.
  const entries = [...variables].map(([variable, { value }]) => [variable, value] as const);
  return { variables: Object.fromEntries(entries), leftOut };
};

export const refusePrefix = (prefix: string): void => {
  if (prefix !== '' && !variableName.test(prefix)) {
    throw usage('--prefix must begin with a letter or underscore and hold letters, digits and underscores only.');
  }
};
