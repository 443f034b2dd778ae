import { readFileSync } from 'node:fs';

/** One operation as openapi.json documents it. */
export interface DocumentedOperation {
  readonly operationId: string;
  readonly method: string;
  /** With `{name}` for each parameter. */
  readonly path: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, object>>;
}

const { paths } = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'));

/** Every operation of the document, so that a test which goes through them misses no new one. */
export const documentedOperations: readonly DocumentedOperation[] = Object.entries(
  paths as Record<string, Record<string, DocumentedOperation>>,
).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({
    ...operation,
    parameters: operation.parameters ?? [],
    method: method.toUpperCase(),
    path,
  })),
);

/** The address of an operation, its parameters filled in. */
export const addressOf = ({ path }: DocumentedOperation, names: Readonly<Record<string, string>> = {}): string =>
  path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const value = names[name];
    if (value === undefined) throw new Error(`nothing is given for {${name}} of ${path}`);
    return value;
  });
