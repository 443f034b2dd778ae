import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('logout')
    .description('revoke the stored token and remove it from this machine')
    .option('--forget', 'remove it without revoking it, where the server can no longer be reached')
    .addHelpText('after', examples('keyhold logout', 'keyhold logout --profile work'))
    .action(async (options: { forget?: boolean }) => (await import('../account/logout.ts')).logOut(context, options));
};
