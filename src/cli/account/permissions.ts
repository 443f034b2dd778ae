import { permissions } from '../../core/permissions.ts';

/** Permissions of features to come, which grant nothing yet. */
const reserved = /^(graph|audit):/;

/** The permissions that a new token can be given. */
export const grantablePermissions = permissions.filter((permission) => !reserved.test(permission));
