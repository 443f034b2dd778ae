/** What a token can be allowed to do: the closed list of the HTTP contract. */
export const offeredPermissions = [
  'secrets:list',
  'secrets:reveal',
  'secrets:use',
  'secrets:write',
  'secrets:share',
  'secrets:manage',
  'secrets:own',
  'sessions:read',
  'sessions:write',
  'graph:read',
  'graph:write',
  'graph:own',
  'events:read',
  'webhooks:manage',
  'admin',
] as const;

/** Permissions of features that do not exist yet. They grant nothing; no new token is given one, stored tokens may have them. */
const reservedPermissions = ['audit:read'] as const;

/** Every permission that a stored token may carry. */
export const permissions = [...offeredPermissions, ...reservedPermissions] as const;

export type Permission = (typeof permissions)[number];

/** What reaches beyond the session that a credential is bound to. */
export const permissionsBeyondSession: ReadonlySet<Permission> = new Set(['secrets:own', 'graph:own', 'admin']);

/** The roles that a user can be given. */
export const offeredRoles = ['member', 'admin'] as const;

/** Every role that a stored user may carry. An auditor is a member, since reading the audit log is not implemented yet. */
export type Role = (typeof offeredRoles)[number] | 'auditor';

const memberPermissions = permissions.filter((permission) => permission !== 'admin');

/** All that a login with this role is allowed. A token is allowed at most this and at most its own list. */
export const permissionsOfRole = (role: Role): readonly Permission[] =>
  role === 'admin' ? permissions : memberPermissions;
