export { verifyBackup } from './read.ts';
export { onRestored, type RestoreOptions, restoreBackup } from './restore.ts';
export type { Restored } from './restored.ts';
export {
  checkExport,
  type RevokedAll,
  revokeAll,
  type Withdrawal,
  type Withdrawals,
  withdrawSince,
} from './withdraw.ts';
export { type BackupSummary, type OnRows, writeBackup } from './write.ts';
