import type { Command } from 'commander';
import type { CreateTokenOptions, PasswordOptions } from '../account/tokens.ts';
import { listOptionFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Tokens are created, listed and revoked by a login with a password only, so you are asked for your password.
${examples(
  'keyhold token create "build agent" --agent builder --permission secrets:list --days 30',
  'keyhold token list',
  'keyhold token revoke "build agent"',
)}`;

const load = () => import('../account/tokens.ts');

const passwordStdin = ['--password-stdin', 'read the password from stdin'] as const;

export const register = ({ program, context }: Registration): void => {
  const token = program
    .command('token')
    .description('manage tokens for programs and agents')
    .addHelpText('after', help);
  registerCreate(token, context);
  token
    .command('list')
    .description('list your tokens, without revoked ones')
    .option(...passwordStdin)
    .addHelpText('after', examples('keyhold token list'))
    .action(async (options: PasswordOptions) => (await load()).listTokens(context, options));
  token
    .command('revoke')
    .description('revoke a token, with immediate effect')
    .argument('<token>', 'its id or name')
    .option(...passwordStdin)
    .addHelpText('after', examples('keyhold token revoke "build agent"'))
    .action(async (name: string, options: PasswordOptions) => (await load()).revokeToken(context, name, options));
};

const registerCreate = (token: Command, context: CliContext): void => {
  token
    .command('create')
    .description('create a token and print it, this once')
    .argument('<name>', 'what it is for')
    .addOption(
      listOptionFrom(
        'permissions',
        '--permission <permission>',
        'a permission (default: secrets:list, secrets:reveal); may be repeated',
      ).argParser(collected),
    )
    .option('--agent <agent>', 'the agent that will use it')
    .addOption(optionFrom('sessions', '--for-session <session>', 'bind it to this session'))
    .option('--days <days>', 'how long it is valid', '30')
    .option(...passwordStdin)
    .addHelpText('after', help)
    .action(async (name: string, options: CreateTokenOptions) => (await load()).createToken(context, name, options));
};
