/** What a token may be allowed to do; the closed list of the HTTP contract. */
export const permissions = [
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
  'audit:read',
  'admin',
] as const;

export type Permission = (typeof permissions)[number];

const memberPermissions = permissions.filter((permission) => permission !== 'admin');

/** A login has all that its role allows; a token has at most this and at most its own list. */
export const permissionsOfRole = (role: 'member' | 'auditor' | 'admin'): readonly Permission[] =>
  role === 'admin' ? permissions : memberPermissions;
