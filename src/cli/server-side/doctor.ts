import { type Config, readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { findRootKeys } from '../../config/root-keys.ts';
import { systemClock } from '../../core/clock.ts';
import { KeyholdError } from '../../core/errors.ts';
import { withServiceDatabase } from '../../db/attach.ts';
import { type Check, type DoctorTarget, examineDatabase, examineMachine } from '../../doctor/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { printable } from '../printable.ts';

const notReached = (error: KeyholdError): Check => ({
  name: 'database',
  seen: 'not reached',
  findings: [
    { what: error.message, remedy: 'Nothing in the database was looked at. Mend this, and run the doctor again.' },
  ],
});

const lookAtDatabase = async (
  config: Config,
  patient: DoctorTarget,
  say: (check: Check) => Promise<void>,
): Promise<void> => {
  try {
    await withServiceDatabase(
      config,
      () => undefined,
      async (database) => {
        for await (const check of examineDatabase(database, patient)) await say(check);
      },
    );
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error;
    await say(notReached(error));
  }
};

const shown = ({ name, seen, findings }: Check): string => {
  const head = `${findings.length === 0 ? 'ok ' : '!! '} ${name}: ${printable(seen)}\n`;
  return head + findings.map(({ what, remedy }) => `     ${printable(what)}\n       → ${printable(remedy)}\n`).join('');
};

/** `keyhold doctor`: says what is wrong, and what to do about it; ends in 1 when anything is. */
export const doctor = async (context: CliContext, { full }: { readonly full: boolean }): Promise<void> => {
  const env = readEnv();
  const config = readConfig(env);
  const json = context.options().json === true;
  const patient = { env, config, rootKeys: findRootKeys(env, config.configDir), clock: systemClock, full };
  const checks: Check[] = [];
  const say = async (check: Check): Promise<void> => {
    checks.push(check);
    if (!json) await context.out.write(shown(check));
  };
  for (const check of examineMachine(patient)) await say(check);
  await lookAtDatabase(config, patient, say);
  const findings = checks.flatMap((check) => check.findings);
  if (json) await context.out.result({ ok: findings.length === 0, checks }, () => null);
  else await context.out.write(findings.length === 0 ? 'Everything is in order.\n' : `Findings: ${findings.length}.\n`);
  if (findings.length > 0) process.exitCode = exitCodes.failed;
};
