import { Option } from 'commander';
import type { LoginOptions } from '../account/login.ts';
import { examples, type Registration } from './registration.ts';

const help = `
You are asked for the password, which is never stored. Keyhold stores a token that "keyhold logout" and "keyhold
token revoke" revoke. It is kept in the system keyring where there is one, else in a file that only you can read.
${examples(
  'keyhold login https://keyhold.example.org',
  'keyhold login http://127.0.0.1:8420 --username admin',
  'keyhold login https://keyhold.example.org --profile work',
  'pass show keyhold | keyhold login https://keyhold.example.org --username ada --password-stdin',
  'keyhold login https://keyhold.example.org --token-stdin < token.txt',
)}`;

export const register = ({ program, context }: Registration): void => {
  program
    .command('login')
    .description('log in to a server and store the login')
    .argument('[server]', 'its address, such as https://keyhold.example.org')
    .option('--server <address>', 'the same, as an option')
    .option('-u, --username <name>', 'your username there; you are asked for it by default')
    .addOption(new Option('--password-stdin', 'read the password from stdin').conflicts('tokenStdin'))
    .option('--token-stdin', 'read a token from stdin instead of a password')
    .option('--days <days>', 'how long the login lasts', '90')
    .option('--allow-http', 'send the password unencrypted to another machine', false)
    .addHelpText('after', help)
    .action(async (server: string | undefined, options: LoginOptions) =>
      (await import('../account/login.ts')).logIn(context, server, options),
    );
};
