import { readFileSync } from 'node:fs';

/** One operation as openapi.json documents it. */
export interface DocumentedOperation {
  readonly operationId: string;
  readonly method: string;
  /** With `{name}` for each parameter. */
  readonly path: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': Body } };
  readonly responses: Readonly<Record<string, object>>;
}

interface Body {
  readonly schema: { readonly $ref?: string };
  readonly example: Readonly<Record<string, unknown>>;
}

const { paths, components } = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'));

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

/** What an operation takes as its body: the names of its fields, and an example; null where it takes none. */
export const bodyOf = ({
  requestBody,
}: DocumentedOperation): { readonly fields: readonly string[]; readonly example: Body['example'] } | null => {
  if (requestBody === undefined) return null;
  const { schema, example } = requestBody.content['application/json'];
  // A text that is read as it arrives has no fields.
  if (schema.$ref === undefined) return { fields: [], example: {} };
  const { properties } = components.schemas[schema.$ref.split('/').at(-1) ?? ''];
  return { fields: Object.keys(properties), example };
};

/** Whether a request is one of this operation. */
export const isOf = ({ method, path }: DocumentedOperation, asked: string, address: string): boolean =>
  method === asked && new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(address);
