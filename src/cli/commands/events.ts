import { examples, type Registration } from './registration.ts';

const help = `
Prints a line for each event that concerns you, your own acts included, until you press Ctrl-C. A connection that ends is
opened again by itself, and nothing is missed meanwhile. With --json, each line is an object with "event" and "data".
${examples('keyhold events tail', 'keyhold events tail --json')}`;

export const register = ({ program, context }: Registration): void => {
  program
    .command('events')
    .description('follow what happens')
    .addHelpText('after', help)
    .command('tail')
    .description('print what you are told of as it happens')
    .addHelpText('after', help)
    .action(async () => (await import('../notices/tail.ts')).tailEvents(context));
};
