import { type Command, Option } from 'commander';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';

const login = () => import('../account/login.ts');
const tokens = () => import('../account/tokens.ts');
const profiles = () => import('../account/profiles.ts');

const loginHelp = `
The password is asked for and never stored. What is stored is a token that "keyhold logout" or "keyhold token revoke"
ends: in the system keyring where there is one, else in a file that only you can read.

Examples:
  keyhold login https://keyhold.example.org
  keyhold login http://127.0.0.1:8420 --username admin
  keyhold login https://keyhold.example.org --profile work
  pass show keyhold | keyhold login https://keyhold.example.org --username ada --password-stdin
  keyhold login https://keyhold.example.org --token-stdin < token.txt`;

const passwordStdin = (): Option => new Option('--password-stdin', 'read the password from stdin');

const addLogin = (program: Command, context: CliContext): void => {
  program
    .command('login')
    .description('log in to a server and remember it')
    .argument('[server]', 'its address, such as https://keyhold.example.org')
    .option('--server <address>', 'the same, as an option')
    .option('-u, --username <name>', 'who you are there; asked for when it is left out')
    .addOption(passwordStdin().conflicts('tokenStdin'))
    .option('--token-stdin', 'read a token from stdin in place of a password')
    .option('--days <days>', 'how long the login lasts', '90')
    .option('--allow-http', 'send the password unencrypted to another machine', false)
    .addHelpText('after', loginHelp)
    .action(async (server: string | undefined, options) => (await login()).logIn(context, server, options));
  program
    .command('logout')
    .description('revoke the stored token and forget it')
    .option('--forget', 'only forget it, when the server cannot be reached any more')
    .addHelpText('after', '\nExamples:\n  keyhold logout\n  keyhold logout --profile work')
    .action(async (options) => (await login()).logOut(context, options));
  program
    .command('whoami')
    .description('say who you are, where, and what you may do')
    .addHelpText('after', '\nExamples:\n  keyhold whoami\n  keyhold whoami --json')
    .action(async () => (await login()).whoAmI(context));
};

const tokenHelp = `
Only a login by password makes, lists and revokes tokens, so the password is asked for.

Examples:
  keyhold token create "build agent" --agent builder --permission secrets:list --days 30
  keyhold token list
  keyhold token revoke "build agent"`;

const addTokens = (program: Command, context: CliContext): void => {
  const token = program.command('token').description('tokens for programs and agents').addHelpText('after', tokenHelp);
  token
    .command('create')
    .description('make a token; it is shown this once, on stdout')
    .argument('<name>', 'what it is for')
    .option(
      '--permission <permission>',
      'what it may do (default: secrets:list, secrets:reveal); may be repeated',
      collected,
    )
    .option('--agent <agent>', 'the agent that will hold it')
    .addOption(optionFrom('sessions', '--for-session <session>', 'bind it to this session'))
    .option('--days <days>', 'how long it is good for', '30')
    .addOption(passwordStdin())
    .addHelpText('after', tokenHelp)
    .action(async (name: string, options) => (await tokens()).createToken(context, name, options));
  token
    .command('list')
    .description('list your tokens that are not revoked')
    .addOption(passwordStdin())
    .addHelpText('after', '\nExamples:\n  keyhold token list')
    .action(async (options) => (await tokens()).listTokens(context, options));
  token
    .command('revoke')
    .description('revoke a token; its very next use is refused')
    .argument('<token>', 'its id, or its name')
    .addOption(passwordStdin())
    .addHelpText('after', '\nExamples:\n  keyhold token revoke "build agent"')
    .action(async (name: string, options) => (await tokens()).revokeToken(context, name, options));
};

const addProfiles = (program: Command, context: CliContext): void => {
  const profile = program
    .command('profile')
    .description('the servers that you have logged in to')
    .addHelpText('after', '\nExamples:\n  keyhold profile list\n  keyhold profile use work');
  profile
    .command('list')
    .description('list the profiles')
    .addHelpText('after', '\nExamples:\n  keyhold profile list')
    .action(async () => (await profiles()).listProfiles(context));
  profile
    .command('use')
    .description('use a profile where no other is named')
    .addArgument(argumentFrom('profiles', '<name>'))
    .addHelpText('after', '\nExamples:\n  keyhold profile use work')
    .action(async (name: string) => (await profiles()).useProfile(context, name));
  profile
    .command('remove')
    .description('forget a profile without revoking its token')
    .addArgument(argumentFrom('profiles', '<name>'))
    .addHelpText('after', '\nExamples:\n  keyhold profile remove work')
    .action(async (name: string) => (await profiles()).removeProfile(context, name));
};

/** `login`, `logout`, `whoami`, `token …`, `profile …`. */
export const registerAccount = (program: Command, context: CliContext): void => {
  addLogin(program, context);
  addTokens(program, context);
  addProfiles(program, context);
};
