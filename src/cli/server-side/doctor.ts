import { type Config, readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { rootKeySource } from '../../config/root-keys.ts';
import { systemClock } from '../../core/clock.ts';
import { KeyholdError } from '../../core/errors.ts';
import { withServiceDatabase } from '../../db/attach.ts';
import { type Check, type DoctorTarget, examineDatabase, examineMachine } from '../../doctor/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { printable } from '../printable.ts';

const unreachable = (error: KeyholdError): Check => ({
  name: 'database',
  seen: 'not reached',
  findings: [
    { what: error.message, remedy: 'Nothing in the database was checked. Fix this and run "keyhold doctor" again.' },
  ],
});

const checkDatabase = async (
  config: Config,
  target: DoctorTarget,
  report: (check: Check) => Promise<void>,
): Promise<void> => {
  try {
    await withServiceDatabase(
      config,
      () => undefined,
      async (database) => {
        for await (const check of examineDatabase(database, target)) await report(check);
      },
    );
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error;
    await report(unreachable(error));
  }
};

const textOf = ({ name, seen, findings }: Check): string => {
  const head = `${findings.length === 0 ? 'ok ' : '!! '} ${name}: ${printable(seen)}\n`;
  return head + findings.map(({ what, remedy }) => `     ${printable(what)}\n       → ${printable(remedy)}\n`).join('');
};

/** `keyhold doctor`: reports each problem with its remedy, and exits with 1 if there is one. */
export const doctor = async (context: CliContext, { full }: { readonly full: boolean }): Promise<void> => {
  const env = readEnv();
  const config = readConfig(env);
  const json = context.options().json === true;
  const target = { env, config, rootKeys: rootKeySource(env, config.configDir).read(), clock: systemClock, full };
  const checks: Check[] = [];
  const report = async (check: Check): Promise<void> => {
    checks.push(check);
    if (!json) await context.out.write(textOf(check));
  };
  for (const check of examineMachine(target)) await report(check);
  await checkDatabase(config, target, report);
  const findings = checks.flatMap((check) => check.findings);
  if (json) await context.out.result({ ok: findings.length === 0, checks }, () => null);
  else await context.out.write(findings.length === 0 ? 'Everything is in order.\n' : `Findings: ${findings.length}.\n`);
  if (findings.length > 0) process.exitCode = exitCodes.failed;
};
