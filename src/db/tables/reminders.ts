import type { SecretId } from '../../core/ids.ts';

/**
 * The last reminder of a secret's date, so that each is sent once. It belongs to that date: when the date is changed, it
 * counts no longer. It decides nothing but whether a reminder is sent.
 */
export interface ReminderRow {
  secret_id: SecretId;
  kind: 'expires' | 'rotate';
  due_at: Date;
  /** How many days before the date; 0 for the date itself. */
  step: number;
}
