import { isSessionActive } from '../../access/index.ts';
import type { AuditRow, SessionRow, UserRow } from '../../db/tables/index.ts';
import type { DerivedNode } from '../model.ts';
import type { DerivedType } from '../vocabulary.ts';
import type { SecretNodeRow } from './visible.ts';

const node = (type: DerivedType, id: string, name: string, attributes: DerivedNode['attributes']): DerivedNode => ({
  id,
  type,
  name,
  derived: true,
  attributes,
});

export const userNode = (row: UserRow): DerivedNode =>
  node('USER', row.id, row.username, { display_name: row.display_name });

export const sessionNode = (row: SessionRow, now: Date): DerivedNode =>
  node('SESSION', row.id, row.title ?? row.external_id ?? row.id, {
    title: row.title,
    external_id: row.external_id,
    status: isSessionActive(row, now) ? 'active' : 'ended',
    created_at: row.created_at.toISOString(),
  });

export const secretNode = (row: SecretNodeRow): DerivedNode =>
  node('SECRET', row.id, row.name, {
    type: row.type,
    scope: row.scope,
    description: row.description,
    tags: row.tags,
    expires_at: row.expires_at?.toISOString() ?? null,
  });

export const useNode = (row: AuditRow): DerivedNode =>
  node('SECRET_USAGE', row.id, `reveal at ${row.recorded_at.toISOString()}`, {
    at: row.recorded_at.toISOString(),
    agent: row.agent,
  });
