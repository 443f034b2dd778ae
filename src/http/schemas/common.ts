import { type TProperties, type TSchema, Type } from 'typebox';
import { errorCodes } from '../../core/errors.ts';
import { permissions } from '../../core/permissions.ts';

/** Shapes that several resources share. Unknown fields are refused everywhere. */
export const strict = <P extends TProperties>(properties: P, options: object = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options });

export const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);

export const Id = Type.String({
  pattern: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$',
  description: 'UUID',
});
export const Instant = Type.String({ format: 'date-time', maxLength: 64 });
export const Metadata = Type.Record(Type.String(), Type.Unknown(), { description: 'at most 16 KiB and 8 levels' });
export const Username = Type.String({ minLength: 1, maxLength: 128 });
export const Email = Type.String({ minLength: 3, maxLength: 254, pattern: '^[^\\s@]+@[^\\s@]+$' });
export const PermissionName = Type.Enum(permissions);
/** Our id of a session, or the platform's own; `.` and `..` would mean something else in a path. */
export const SessionName = Type.String({ pattern: '^(?!\\.{1,2}$)[A-Za-z0-9._:-]{1,128}$' });

export const PageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
};

export const ById = strict({ id: Id });
export const Nothing = strict({});

const FieldErrorSchema = Type.Object({ field: Type.String(), detail: Type.String() });

export const problemExample = {
  type: 'urn:keyhold:problem:not_found',
  title: 'Not found',
  status: 404,
  detail: 'There is nothing here that you can reach.',
  code: 'not_found',
  request_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f',
};

export const ProblemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.Enum(errorCodes),
    request_id: Type.Optional(Type.String()),
    errors: Type.Optional(Type.Array(FieldErrorSchema)),
  },
  { title: 'Problem', description: 'RFC 9457 problem', examples: [problemExample] },
);

/** What users and sessions are named by in a body: exactly one of the two. */
export const WhoBody = strict(
  { user_id: Type.Optional(Id), username: Type.Optional(Username) },
  { minProperties: 1, maxProperties: 1, examples: [{ username: 'grace' }] },
);
