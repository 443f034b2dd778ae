import type { Command } from 'commander';
import type { CliContext } from '../context.ts';

/** What a command's registration is given. */
export interface Registering {
  readonly program: Command;
  readonly context: CliContext;
  /** What is said where a command is given more arguments than it takes, in place of the usual sentence. */
  readonly excess: Map<Command, string>;
}

interface Part {
  /** The heading of `keyhold --help` that its commands stand under. */
  readonly group: string;
  /** The names of its commands: by one of them the part is found without loading the others. */
  readonly names: readonly string[];
  register(to: Registering): Promise<void>;
}

/** All commands, in the order in which `keyhold --help` shows them. */
const parts: readonly Part[] = [
  {
    group: 'Who you are:',
    names: ['login', 'logout', 'whoami', 'token', 'profile'],
    register: async ({ program, context }) => (await import('./account.ts')).registerAccount(program, context),
  },
  {
    group: 'Secrets:',
    names: [
      ...['ls', 'get', 'set', 'edit', 'rm', 'recover', 'share', 'unshare', 'access', 'history', 'restore', 'transfer'],
      ...['deactivate', 'activate'],
    ],
    register: async ({ program, context, excess }) =>
      (await import('./secrets.ts')).registerSecrets(program, context, excess),
  },
  {
    group: 'Secrets:',
    names: ['run'],
    register: async ({ program, context }) => (await import('./run.ts')).registerRun(program, context),
  },
  {
    group: 'Secrets:',
    names: ['import'],
    register: async ({ program, context }) => (await import('./import.ts')).registerImport(program, context),
  },
  {
    group: 'Secrets:',
    names: ['export'],
    register: async ({ program, context }) => (await import('./export.ts')).registerExport(program, context),
  },
  {
    group: 'Sessions:',
    names: ['session'],
    register: async ({ program, context }) => (await import('./sessions.ts')).registerSessions(program, context),
  },
  {
    group: 'The service:',
    names: ['serve', 'migrate'],
    register: async ({ program, context }) => (await import('./server.ts')).registerServer(program, context),
  },
  {
    group: 'The service:',
    names: ['doctor'],
    register: async ({ program, context }) => (await import('./doctor.ts')).registerDoctor(program, context),
  },
  {
    group: 'The service:',
    names: ['admin'],
    register: async ({ program, context }) => (await import('./admin.ts')).registerAdmin(program, context),
  },
  {
    group: 'The shell:',
    // It completes all the others, so that it is never alone.
    names: [],
    register: async ({ program, context }) => (await import('./completion.ts')).registerCompletion(program, context),
  },
];

/** The parts that a command line needs: one's own where it begins with a command's name, else all. */
export const partsFor = ([first = '']: readonly string[]): readonly Part[] => {
  const named = parts.filter(({ names }) => names.includes(first));
  return named.length === 0 ? parts : named;
};
