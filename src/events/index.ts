export { createEventErasing, type EventErasing } from './erase.ts';
export { createPositions } from './positions.ts';
export { type EventActor, eventRows, type NewEvent } from './rows.ts';
export { createTrimEvents, eventSweep } from './trim.ts';
export { type EventType, eventTypes } from './types.ts';
export { createEventWriter } from './writer.ts';
