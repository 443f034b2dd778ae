import { KeyholdError } from '../../core/errors.ts';
import { isUnsafeName } from './unsafe-names.ts';

/** A revealed secret that is to become a variable. */
export interface Taken {
  readonly name: string;
  readonly value: string;
}

export interface Naming {
  readonly prefix: string;
  readonly allowUnsafeName: boolean;
}

/** IEEE Std 1003.1, "Name", which the names of variables are for shells. */
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

const refuse = (detail: string): KeyholdError => new KeyholdError('invalid_request', detail);

/** A secret's name as a variable's: dots and dashes become underscores. */
const variableOf = (name: string, prefix: string): string => `${prefix}${name.replaceAll(/[.-]/g, '_')}`;

const refuseName = (name: string, variable: string, { allowUnsafeName }: Naming): void => {
  if (!variableName.test(variable)) {
    throw refuse(
      `The secret ${name} would become the variable ${variable}, and no variable can bear that name. Put letters before it with --prefix, or leave it out with --only.`,
    );
  }
  if (!allowUnsafeName && isUnsafeName(variable)) {
    throw refuse(
      `The secret ${name} would set ${variable}, which programs obey: its value could decide what they do. Nothing was started. Leave it out with --only, rename it with --prefix, or say --allow-unsafe-name.`,
    );
  }
};

/**
 * The variables that these secrets become. Throws with one sentence for a name that no variable can bear, that programs
 * obey, or that two secrets would share, and for a value that no variable can hold.
 */
export const variablesOf = (secrets: readonly Taken[], naming: Naming): Record<string, string> => {
  const from = new Map<string, string>();
  const variables: Record<string, string> = {};
  for (const { name, value } of secrets) {
    const variable = variableOf(name, naming.prefix);
    refuseName(name, variable, naming);
    const other = from.get(variable);
    if (other !== undefined) {
      throw refuse(
        `The secrets ${other} and ${name} would both become the variable ${variable}. Choose one with --only.`,
      );
    }
    if (value.includes('\0')) {
      throw refuse(
        `The value of ${name} holds a NUL character, which no variable can hold. Read it with "keyhold get" into a file instead, and leave it out here with --only.`,
      );
    }
    from.set(variable, name);
    variables[variable] = value;
  }
  return variables;
};

export const refusePrefix = (prefix: string): void => {
  if (prefix !== '' && !variableName.test(prefix)) {
    throw refuse('--prefix must begin with a letter or underscore and hold letters, digits and underscores only.');
  }
};
