import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { type FieldError, KeyholdError } from '../core/errors.ts';

const maxErrors = 10;

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params?: object;
}

/** A text that might be no name at all, such as a value in the wrong place, is not repeated. */
const shown = (name: string): string =>
  /^([a-z_]{1,32}|[a-z]{2,12}([A-Z][a-z]{1,11}){1,2})$/.test(name) ? name : '(unnamed)';

const names = (params: object | undefined, key: string): string[] => {
  const found = (params as Record<string, unknown> | undefined)?.[key];
  return Array.isArray(found) ? found.map((name) => shown(String(name))) : [];
};

/** The schema's own sentence, which never repeats what was sent; for a closed list, its members. */
const sentenceOf = ({ keyword, message, params }: SchemaError): string =>
  keyword === 'enum' ? `must be one of ${allowedValues(params).join(', ')}.` : `${message}.`;

const allowedValues = (params: object | undefined): readonly unknown[] =>
  (params as { readonly allowedValues?: readonly unknown[] } | undefined)?.allowedValues ?? [];

/** One error for each field, named by its path. */
const fieldErrors = (error: SchemaError): FieldError[] => {
  const path = error.instancePath.replace(/^\//, '');
  const under = (name: string): string => (path === '' ? name : `${path}/${name}`);
  const missing = names(error.params, 'requiredProperties').map((name) => ({
    field: under(name),
    detail: 'is required.',
  }));
  const unknown = names(error.params, 'additionalProperties').map((name) => ({
    field: under(name),
    detail: 'is not a known field.',
  }));
  if (missing.length + unknown.length > 0) return [...missing, ...unknown];
  return [{ field: path, detail: sentenceOf(error) }];
};

const refusal = (part: string, errors: readonly SchemaError[]): KeyholdError => {
  // TypeBox reports an unknown field twice: by name on its object, and by a path that the client chose.
  const ours = errors.filter(({ message }) => message !== 'schema is false');
  const fields = ours.flatMap(fieldErrors).slice(0, maxErrors);
  const first = fields[0] ?? { field: part, detail: 'is not valid.' };
  return new KeyholdError('invalid_request', `${first.field === '' ? part : first.field} ${first.detail}`, {
    errors: fields,
  });
};

const compiled = new WeakMap<TSchema, Validator>();

const validatorOf = (schema: TSchema): Validator => {
  const known = compiled.get(schema);
  if (known) return known;
  const validator = Compile(schema);
  compiled.set(schema, validator);
  return validator;
};

const readText = (type: unknown, text: unknown): unknown => {
  if (type === 'array' && !Array.isArray(text)) return [text];
  if (typeof text !== 'string') return text;
  if (type === 'integer' && /^(0|[1-9][0-9]{0,14})$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
};

/** Reads numbers and flags in their one spelling, and lists of one. Any other stays text, which the schema then refuses. */
const readQuery = (schema: TSchema, query: unknown): unknown => {
  const { properties = {} } = schema as { properties?: Readonly<Record<string, { type?: unknown }>> };
  const typeOf = (name: string): unknown => (Object.hasOwn(properties, name) ? properties[name]?.type : undefined);
  return Object.fromEntries(Object.entries(query ?? {}).map(([name, text]) => [name, readText(typeOf(name), text)]));
};

/** Checks one part of a request by its schema. Numbers and flags of query strings, which are text, are read first. */
export const check = (schema: TSchema, part: 'body' | 'params' | 'query', data: unknown): unknown => {
  const value = part === 'query' ? readQuery(schema, data) : data;
  const validator = validatorOf(schema);
  if (validator.Check(value)) return value;
  throw refusal(part, [...validator.Errors(value)]);
};

const parts: Readonly<Record<string, 'body' | 'params' | 'query'>> = {
  body: 'body',
  params: 'params',
  querystring: 'query',
};

/** The compiler by which Fastify checks requests. Headers are read where they act. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const part = parts[httpPart ?? ''];
  return (data: unknown) => ({ value: part === undefined ? data : check(schema, part, data) });
};
