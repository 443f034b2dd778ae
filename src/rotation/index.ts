export { createErase, type Erase } from './erase.ts';
