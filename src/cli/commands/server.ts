import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import type { MigrateOptions } from './migrate.ts';

const serveHelp = `
Its settings come from the environment; the README lists them.

Examples:
  keyhold serve
  KEYHOLD_PORT=9000 KEYHOLD_DATABASE_URL=postgres://… keyhold serve`;

const migrateHelp = `
Examples:
  keyhold migrate status
  keyhold migrate up
  keyhold migrate down`;

/** The service itself and its schema; only here does the command line load the service. */
export const registerServer = (program: Command, context: CliContext): void => {
  program
    .command('serve')
    .description('run the service')
    .addHelpText('after', serveHelp)
    .action(async () => (await import('./serve.ts')).serve());
  const migrations = program
    .command('migrate')
    .description('look after the database schema')
    .addHelpText('after', migrateHelp);
  const add = (direction: 'up' | 'down' | 'status', description: string): Command =>
    migrations
      .command(direction)
      .description(description)
      .addHelpText('after', migrateHelp)
      .action(async (options: MigrateOptions) => (await import('./migrate.ts')).migrate(context, direction, options));
  add('up', 'bring the schema to this version');
  add('down', 'take the newest migration back; its data is gone').option('-y, --yes', 'without a question');
  add('status', 'list the migrations');
};
