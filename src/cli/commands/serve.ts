import { examples, type Registration } from './registration.ts';

const help = `
The settings come from the environment; the README lists them. SIGTERM and Ctrl-C stop it in order. SIGHUP makes a
service without a terminal read its root keys again, and stops one on a terminal.
${examples('keyhold serve', 'KEYHOLD_PORT=9000 KEYHOLD_DATABASE_URL=postgres://… keyhold serve')}`;

export const register = ({ program }: Registration): void => {
  program
    .command('serve')
    .description('run the service')
    .addHelpText('after', help)
    .action(async () => (await import('../server-side/serve.ts')).serve());
};
