import { type ExportSummary, writeAuditExport } from '../../audit/index.ts';
import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { findRootKeys } from '../../config/root-keys.ts';
import { systemClock } from '../../core/clock.ts';
import { KeyholdError } from '../../core/errors.ts';
import { inSnapshot, withOwnerSession } from '../../db/owner-session.ts';
import { inspectServiceKeys } from '../../keys/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { refuseExisting, withDraft } from './draft-file.ts';
import { asOperator, noRootKey } from './open.ts';

const toStdout = '-';

/** `keyhold audit export`: writes the audit log as lines of JSON. Ends in 1 where records are broken. */
export const exportAudit = async (context: CliContext, path: string, { force }: { force: boolean }): Promise<void> => {
  if (path !== toStdout) await refuseExisting(path, force);
  const summary = path === toStdout ? await toOutput(context) : await toFile(path, force);
  await report(context, path, summary);
};

const toOutput = async (context: CliContext): Promise<ExportSummary> => {
  const written = await write((text) => context.out.write(text));
  await record(written);
  return written;
};

const toFile = (path: string, force: boolean): Promise<ExportSummary> =>
  withDraft(path, force, async (draft) => {
    const written = await write((text) => draft.write(Buffer.from(text)));
    await draft.flush();
    await record(written);
    return written;
  });

const record = ({ records }: ExportSummary): Promise<void> =>
  asOperator('audit export', ({ record: recordOf }, caller) =>
    recordOf(caller, { action: 'audit.export', outcome: 'allowed', details: { records } }),
  );

const chunkLength = 64 * 1024;

const write = async (out: (text: string) => Promise<void>): Promise<ExportSummary> => {
  const env = readEnv();
  const config = readConfig(env);
  const rootKeys = findRootKeys(env, config.configDir);
  if (rootKeys === null) throw noRootKey(config.configDir);
  let gathered = '';
  const gather = async (text: string): Promise<void> => {
    gathered += text;
    if (gathered.length < chunkLength) return;
    const chunk = gathered;
    gathered = '';
    await out(chunk);
  };
  const summary = await withOwnerSession(
    config,
    () => undefined,
    (session) =>
      inSnapshot(session, async ({ tx }) => {
        const { sealKeys, problems } = await inspectServiceKeys(tx, rootKeys.keys);
        if (sealKeys === null) throw new KeyholdError('state_conflict', problems.join(' '));
        return await writeAuditExport(tx, { sealKeys, now: systemClock.now(), write: gather });
      }),
  );
  await out(gathered);
  return summary;
};

const report = async (context: CliContext, path: string, summary: ExportSummary): Promise<void> => {
  const { records, broken, brokenCount } = summary;
  if (path !== toStdout)
    await context.out.result(
      { file: path, records, broken: brokenCount },
      () => `Wrote ${records} records to ${path}.\n`,
    );
  if (brokenCount === 0) return;
  const more = brokenCount > broken.length ? ` and ${brokenCount - broken.length} more` : '';
  context.out.warn(
    `Warning: ${brokenCount} records were changed outside of Keyhold, and were exported as they stand: ${broken.join(', ')}${more}`,
  );
  process.exitCode = exitCodes.failed;
};
