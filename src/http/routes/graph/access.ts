/* What all routes of the memory graph share. */

export const tag = 'Memory graph';

export const may = {
  read: { anyOf: ['graph:read'] },
  write: { anyOf: ['graph:write'] },
} as const;
