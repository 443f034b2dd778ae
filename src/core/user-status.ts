// The closed lists of what a user's status can be. They depend on nothing, so that the command line, the HTTP schemas and
// the domains share them.

/** The statuses that an administrator can give a user. */
export const assignableStatuses = ['active', 'disabled'] as const;
export type AssignableStatus = (typeof assignableStatuses)[number];

/** Every status of a stored user. Erasing a user has a route of its own and cannot be taken back. */
export type UserStatus = AssignableStatus | 'erased';
