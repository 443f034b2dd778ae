export { createErase, type Erase } from './erase-user.ts';
export { createHold } from './hold.ts';
