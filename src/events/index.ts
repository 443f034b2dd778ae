export { createPositions } from './positions.ts';
export { type EventActor, eventRows, type NewEvent } from './rows.ts';
export type { EventType } from './types.ts';
