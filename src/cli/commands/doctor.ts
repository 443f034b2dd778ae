import { examples, type Registration } from './registration.ts';

const help = `
Run it on the service's machine, as its user and with its settings. It connects to the database of a running service
and changes nothing. It checks the key files, the disk, and the database's settings, schema and clock. It unwraps
every key, verifies the seal of every row, and decrypts a sample of the values. Every finding comes with its remedy.
It exits with 1 if there are any.
${examples('keyhold doctor', 'keyhold doctor --full --json')}`;

export const register = ({ program, context }: Registration): void => {
  program
    .command('doctor')
    .description('check that everything that keeps secrets safe and available is in order')
    .option('--full', 'decrypt every value of every version, instead of about 1000', false)
    .addHelpText('after', help)
    .action(async (options: { full: boolean }) => (await import('../server-side/doctor.ts')).doctor(context, options));
};
