import { type TProperties, type TSchema, Type } from 'typebox';
import { errorCodes } from '../../core/errors.ts';
import { sessionNamePattern } from '../../core/names.ts';
import { cursorPattern } from '../../core/page.ts';
import { offeredPermissions } from '../../core/permissions.ts';

/* Shapes that several resources share. A schema with a title is a component of the OpenAPI document under that name. */

/**
 * Rules that the OpenAPI document states of a schema while the service keeps them elsewhere, where it can refuse with a
 * sentence that helps. They replace the schema's own keywords in the document.
 */
export const documented = (rules: object) => ({ 'x-documented': rules });

/** Unknown fields are refused everywhere. */
export const strict = <P extends TProperties>(properties: P, options: object = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options });

export const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);

/** A text without NUL; only the values of secrets can hold one. */
export const Text = (options: { readonly minLength?: number; readonly maxLength: number }) =>
  Type.String({ ...options, ...documented({ pattern: '^[^\\u0000]*$' }) });

export const Id = Type.String({
  pattern: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$',
  description: 'UUID',
});
export const Instant = Type.String({ format: 'date-time', maxLength: 64 });
export const Metadata = Type.Record(Type.String(), Type.Unknown(), {
  description: 'At most 16 KiB and 8 levels',
  ...documented({ propertyNames: { pattern: '^(?!__proto__$)[^\\u0000]*$' } }),
});
export const Username = Text({ minLength: 1, maxLength: 128 });
export const Email = Type.String({ minLength: 3, maxLength: 254, pattern: '^[^\\s@\\u0000]+@[^\\s@\\u0000]+$' });
export const PermissionName = Type.Enum(offeredPermissions, { title: 'Permission' });
/** Our id of a session, or the platform's own. */
export const SessionName = Type.String({ pattern: sessionNamePattern.source });

export const PageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'The next_cursor of the page before',
      ...documented({ pattern: cursorPattern }),
    }),
  ),
};

export const ById = strict({ id: Id });
export const Nothing = strict({});

const FieldErrorSchema = Type.Object({ field: Type.String(), detail: Type.String() }, { title: 'FieldError' });

export const problemExample = {
  type: 'urn:keyhold:problem:not_found',
  title: 'Not found',
  status: 404,
  detail: 'Not found, or you do not have access.',
  code: 'not_found',
  request_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f',
};

export const ProblemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.Enum(errorCodes, { title: 'ErrorCode' }),
    request_id: Type.Optional(Type.String()),
    errors: Type.Optional(Type.Array(FieldErrorSchema)),
  },
  { title: 'Problem', description: 'A problem (RFC 9457)', examples: [problemExample] },
);

/** How a body names a user: by exactly one of the two. */
export const WhoBody = strict(
  { user_id: Type.Optional(Id), username: Type.Optional(Username) },
  { title: 'UserReference', minProperties: 1, maxProperties: 1, examples: [{ username: 'grace' }] },
);
