import type { Command } from 'commander';
import type { CliContext } from '../context.ts';

const help = `
Run it beside the service, as its user and with its settings. It joins a running service's database and changes nothing.
It looks at the files of keys, the disk, the database's settings, schema and clock, opens every wrapped key, verifies the
seal of every row, and opens a sample of the values; every finding comes with its remedy. It ends in 1 when there are any.

Examples:
  keyhold doctor
  keyhold doctor --full --json`;

/** `keyhold doctor`. */
export const registerDoctor = (program: Command, context: CliContext): void => {
  program
    .command('doctor')
    .description('look whether everything that keeps secrets safe and reachable is in order')
    .option('--full', 'open every value and every old version, instead of about 1000', false)
    .addHelpText('after', help)
    .action(async (options: { full: boolean }) => (await import('../server-side/doctor.ts')).doctor(context, options));
};
