export { readHeader, verifyBackup } from './read.ts';
export { restoreBackup } from './restore.ts';
export { type BackupSummary, type OnRows, writeBackup } from './write.ts';
