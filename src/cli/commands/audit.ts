import { examples, type Registration } from './registration.ts';

const help = `
Run it on the service's machine, as its user and with its settings, whether a service runs or not. An export tells a
restore of an older backup what was taken away since then: see "keyhold restore --help".
${examples('keyhold audit export /backup/audit.jsonl', 'keyhold audit export > audit.jsonl')}`;

export const register = ({ program, context }: Registration): void => {
  const audit = program.command('audit').description('work with the audit log').addHelpText('after', help);
  audit
    .command('export')
    .description('write every record, with its seal, as a line of JSON')
    .argument('[file]', 'where to write it; - or nothing for stdout', '-')
    .option('--force', 'overwrite the file', false)
    .addHelpText('after', help)
    .action(async (file: string, options: { force: boolean }) => {
      const { exportAudit } = await import('../server-side/audit-export.ts');
      await exportAudit(context, file, options);
    });
};
