/** The types of derived nodes. They are read from the tables that own them, and no client can write one. */
export const derivedTypes = ['USER', 'SESSION', 'SECRET', 'SECRET_USAGE'] as const;
export type DerivedType = (typeof derivedTypes)[number];

/** The types for knowledge about the world. */
export const KNOWLEDGE_ENTITY_TYPES = [
  'USER',
  'PERSON',
  'ORGANIZATION',
  'CONCEPT',
  'TECHNOLOGY',
  'LOCATION',
  'EVENT',
  'DOCUMENT',
] as const;

/** The documented types of entities. Remembered entities may carry any other word as well. */
export const ENTITY_TYPES = [
  'USER',
  'SESSION',
  'SECRET',
  'SECRET_USAGE',
  'CONVERSATION',
  'BUG',
  'FEATURE',
  'DECISION',
  'TASK',
  'TERMINAL_ACTIVITY',
  'FILE_ACTIVITY',
  'BROWSER_ACTIVITY',
  'DESKTOP_ACTIVITY',
  'PERSON',
  'ORGANIZATION',
  'CONCEPT',
  'TECHNOLOGY',
  'LOCATION',
  'EVENT',
  'DOCUMENT',
] as const;

/** The words of derived relations. A remembered relation may use one only where neither end is a derived node. */
export const derivedRelations = [
  'owns',
  'has_session',
  'has_secret',
  'has_participant',
  'has_activity',
  'shared_with',
  'performed_by',
  'used_secret',
  'contains',
] as const;
export type DerivedRelation = (typeof derivedRelations)[number];

/** The documented types of relations. Remembered relations may carry any other word as well. */
export const RELATION_TYPES = [
  ...derivedRelations,
  'depends_on',
  'implements',
  'references',
  'caused_by',
  'related_to',
  'leads_to',
  'blocks',
] as const;

export const isDerivedType = (type: string): type is DerivedType => (derivedTypes as readonly string[]).includes(type);

export const isDerivedRelation = (type: string): type is DerivedRelation =>
  (derivedRelations as readonly string[]).includes(type);

/** In characters (Unicode code points), as PostgreSQL counts them. */
export const maxWordLength = 128;
export const maxNameLength = 400;
export const maxSourceLength = 1024;
export const maxQueryLength = 2048;
/** In bytes of UTF-8. */
export const maxObservationBytes = 64 * 1024;
/** Items of one request, of all its lists together. */
export const maxItems = 1000;
export const maxTags = 64;
export const maxHops = 4;
export const maxPathHops = 6;
