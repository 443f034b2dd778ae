import { argumentFrom } from '../completion/sources.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('edit')
    .description('edit the value of one of your secrets in $VISUAL or $EDITOR')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addHelpText('after', examples('keyhold edit STRIPE_KEY', 'EDITOR="code --wait" keyhold edit CONFIG'))
    .action(async (name: string) => (await import('../secrets/edit.ts')).edit(context, name));
};
