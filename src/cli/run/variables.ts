import { usage } from '../failure.ts';
import { isUnsafeName } from './unsafe-names.ts';

/** A revealed secret that becomes a variable. */
export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

export interface Naming {
  readonly prefix: string;
  readonly allowUnsafeName: boolean;
  /** True where the command line names the secrets. */
  readonly isNamed: boolean;
}

/** A shell variable's name: "Name" in IEEE Std 1003.1. */
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The variable for a secret's name: dots and dashes become underscores. */
const variableOf = (name: string, prefix: string): string => `${prefix}${name.replaceAll(/[.-]/g, '_')}`;

const refuseName = (name: string, variable: string): void => {
  if (variableName.test(variable)) return;
  throw usage(
    `The secret ${name} would become the variable ${variable}, which is not a valid name. Use --prefix to put letters before it, or --only to leave it out.`,
  );
};

const refuseUnsafe = (names: readonly string[]): void => {
  if (names.length === 0) return;
  throw usage(
    `Programs obey variables of these names: ${names.join(', ')}. Their values could change what the command does, so it was not started. Use --prefix to rename them, or --allow-unsafe-name to pass them.`,
  );
};

const refuseShared = (one: string, other: string, variable: string): void => {
  throw usage(`The secrets ${one} and ${other} would both become the variable ${variable}. Use --only to choose one.`);
};

const refuseNul = ({ name, value }: NamedValue): void => {
  if (!value.includes('\0')) return;
  throw usage(
    `The value of ${name} contains a NUL character, which a variable cannot hold. Use "keyhold get" to write it to a file, and --only to leave it out here.`,
  );
};

/** The variables for a command, and the secrets that are left out because programs obey variables of their names. */
export interface Variables {
  readonly variables: Readonly<Record<string, string>>;
  readonly leftOut: readonly string[];
}

/**
 * The variables for these secrets. A name that programs obey is refused where the command line names the secret, and
 * left out otherwise. Throws usage for that, for an invalid or duplicate variable name, and for a value with a NUL
 * character.
 */
export const variablesOf = (secrets: readonly NamedValue[], naming: Naming): Variables => {
  const { prefix, allowUnsafeName, isNamed } = naming;
  const named = secrets.map((secret) => ({ secret, variable: variableOf(secret.name, prefix) }));
  for (const { secret, variable } of named) refuseName(secret.name, variable);
  const unsafe = allowUnsafeName ? [] : named.filter(({ variable }) => isUnsafeName(variable));
  const leftOut = unsafe.map(({ secret }) => secret.name);
  if (isNamed) refuseUnsafe(leftOut);
  const variables = new Map<string, NamedValue>();
  for (const one of named) {
    if (unsafe.includes(one)) continue;
    const other = variables.get(one.variable);
    if (other) refuseShared(other.name, one.secret.name, one.variable);
    refuseNul(one.secret);
    variables.set(one.variable, one.secret);
  }
  // fromEntries creates own properties of any name; assigning to `__proto__` would not.
  const entries = [...variables].map(([variable, { value }]) => [variable, value] as const);
  return { variables: Object.fromEntries(entries), leftOut };
};

export const refusePrefix = (prefix: string): void => {
  if (prefix !== '' && !variableName.test(prefix)) {
    throw usage('--prefix must begin with a letter or underscore, followed by letters, digits and underscores.');
  }
};
