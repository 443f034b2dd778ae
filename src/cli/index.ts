import { Command } from 'commander';
import { KeyholdError } from '../core/errors.ts';
import { migrate } from './commands/migrate.ts';
import { serve } from './commands/serve.ts';
import { exitCodes } from './exit-codes.ts';

const program = (): Command => {
  const command = new Command('keyhold').description(
    'A self-hosted secrets service in which every secret has an owner',
  );
  command.command('serve').description('run the service').action(serve);
  const migrations = command.command('migrate').description('look after the database schema');
  migrations
    .command('up')
    .description('bring the schema to this version')
    .action(() => migrate('up'));
  migrations
    .command('down')
    .description('take the newest migration back; its data is gone')
    .action(() => migrate('down'));
  migrations
    .command('status')
    .description('list the migrations')
    .action(() => migrate('status'));
  return command;
};

/** Runs one command line; what goes wrong is one sentence on stderr and an exit code. */
export const run = async (args: readonly string[]): Promise<void> => {
  try {
    await program().parseAsync([...args], { from: 'user' });
  } catch (error) {
    console.error(`keyhold: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = error instanceof KeyholdError ? exitCodes.refused : exitCodes.failed;
  }
};
