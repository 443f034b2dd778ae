export { createErase, type Erase } from './erase-user.ts';
