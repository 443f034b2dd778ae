import type { NoticesOptions } from '../notices/show.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Shows what others did that concerns you, such as sharing a secret with you, and what agents did for you. What was shown
is marked as read.
${examples('keyhold notices', 'keyhold notices --all', 'keyhold notices --all --json')}`;

export const register = ({ program, context }: Registration): void => {
  program
    .command('notices')
    .description('show what you were told of since you last looked')
    .option('--all', 'also what you have read, of the last 30 days', false)
    .addHelpText('after', help)
    .action(async (options: NoticesOptions) => (await import('../notices/show.ts')).showNotices(context, options));
};
