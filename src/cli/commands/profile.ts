import { argumentFrom } from '../completion/sources.ts';
import { examples, type Registration } from './registration.ts';

const load = () => import('../account/profiles.ts');

export const register = ({ program, context }: Registration): void => {
  const profile = program
    .command('profile')
    .description('manage the servers that you have logged in to')
    .addHelpText('after', examples('keyhold profile list', 'keyhold profile use work'));
  profile
    .command('list')
    .description('list the profiles')
    .addHelpText('after', examples('keyhold profile list'))
    .action(async () => (await load()).listProfiles(context));
  profile
    .command('use')
    .description('use a profile by default')
    .addArgument(argumentFrom('profiles', '<name>'))
    .addHelpText('after', examples('keyhold profile use work'))
    .action(async (name: string) => (await load()).useProfile(context, name));
  profile
    .command('remove')
    .description('remove a profile without revoking its token')
    .addArgument(argumentFrom('profiles', '<name>'))
    .addHelpText('after', examples('keyhold profile remove work'))
    .action(async (name: string) => (await load()).removeProfile(context, name));
};
