import type { Command } from 'commander';
import type { MigrateOptions } from '../server-side/migrate.ts';
import { examples, type Registration } from './registration.ts';

const help = examples('keyhold migrate status', 'keyhold migrate up', 'keyhold migrate down');

export const register = ({ program, context }: Registration): void => {
  const migrations = program.command('migrate').description('manage the database schema').addHelpText('after', help);
  const add = (direction: 'up' | 'down' | 'status', description: string): Command =>
    migrations
      .command(direction)
      .description(description)
      .addHelpText('after', help)
      .action(async (options: MigrateOptions) =>
        (await import('../server-side/migrate.ts')).migrate(context, direction, options),
      );
  add('up', 'bring the schema to this version');
  add('down', 'revert the newest migration, with the data that it holds').option('-y, --yes', 'skip the confirmation');
  add('status', 'list the migrations');
};
