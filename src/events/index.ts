export { createPositions } from './positions.ts';
export { type EventActor, eventRows, type NewEvent } from './rows.ts';
