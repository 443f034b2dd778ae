import { examples, type Registration } from './registration.ts';

const help = `
The key is printed once and stored nowhere. "keyhold serve" makes its first root key by itself, and "keyhold keys
rotate-root" makes the following ones; this command is for keys that are added by hand.
${examples('keyhold keygen', 'keyhold keygen >> /etc/keyhold/root.key')}`;

export const register = ({ program, context }: Registration): void => {
  program
    .command('keygen')
    .description('print a new root key')
    .addHelpText('after', help)
    .action(async () => {
      const { generateRootKey } = await import('../../config/root-keys.ts');
      const key = generateRootKey();
      await context.out.result({ root_key: key }, () => `${key}\n`);
    });
};
