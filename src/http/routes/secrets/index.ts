import type { Secrets } from '../../../secrets/index.ts';
import type { Routes } from '../../route.ts';
import { secretChanges } from './changes.ts';
import { secretReads } from './reads.ts';

export const secretRoutes = (routes: Routes, secrets: Secrets): void => {
  secretReads(routes, secrets);
  secretChanges(routes, secrets);
};
